//! Captures responses.

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderMap, Response, header, response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rdev_webhooks_domain::{CapturedResponse, RESPONSE_BODY_LIMIT};

/// The maximum total length of the names and values that are kept. Headers beyond it are omitted. The client
/// limits the whole head to twice that, and a longer head is a failure.
const HEADERS_LIMIT: usize = 16 * 1024;

/// The body of a response.
pub(crate) enum Body {
    Http1(Incoming),
    Http2(RecvStream),
}

impl Body {
    /// Splits a response of an HTTP/1.1 connection.
    pub(crate) fn of_http1(response: Response<Incoming>) -> (response::Parts, Self) {
        let (head, body) = response.into_parts();
        (head, Self::Http1(body))
    }

    /// Splits a response of an HTTP/2 connection.
    pub(crate) fn of_http2(response: Response<RecvStream>) -> (response::Parts, Self) {
        let (head, body) = response.into_parts();
        (head, Self::Http2(body))
    }

    /// Reads the next part of the body. The error means that the body broke off.
    async fn read(&mut self) -> Option<Result<Bytes, BrokeOff>> {
        match self {
            Self::Http1(body) => loop {
                match body.frame().await? {
                    Ok(frame) => match frame.into_data() {
                        Ok(data) => return Some(Ok(data)),
                        Err(_trailers) => {}
                    },
                    Err(error) => return Some(Err(broke_off(&error))),
                }
            },
            Self::Http2(body) => match body.data().await? {
                Ok(data) => {
                    // Fails only on a finished stream, which needs no window any more.
                    let _ = body.flow_control().release_capacity(data.len());
                    Some(Ok(data))
                }
                Err(error) => Some(Err(broke_off(&error))),
            },
        }
    }
}

/// The error for a body that broke off.
struct BrokeOff;

fn broke_off(error: &(dyn std::error::Error + 'static)) -> BrokeOff {
    tracing::debug!(error, "response body ended early");
    BrokeOff
}

/// The way in which the reading of a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    /// The last byte was read.
    Complete,
    /// The body is longer than the limit, or it broke off.
    Early,
}

/// The received part of a response. It is outside the future that reads the response, so that it survives
/// when the deadline ends that future.
#[derive(Default)]
pub(crate) struct Capture {
    head: Option<CapturedResponse>,
    body: Vec<u8>,
}

impl Capture {
    /// Captures the head and as much of the body as is kept. The status has already decided the result, so a
    /// body that breaks off or is invalid is not a failure.
    pub(crate) async fn read(&mut self, head: &response::Parts, mut body: Body) -> BodyEnd {
        let has_framing = matches!(body, Body::Http2(_))
            || head.headers.contains_key(header::CONTENT_LENGTH)
            || head.headers.contains_key(header::TRANSFER_ENCODING);
        let captured = self.head.insert(CapturedResponse {
            status: head.status.as_u16(),
            headers: captured_headers(&head.headers),
            body: Bytes::new(),
            truncated: false,
        });
        while let Some(data) = body.read().await {
            let Ok(data) = data else {
                // Without framing, the end of the connection is the end of the body.
                captured.truncated = has_framing;
                return BodyEnd::Early;
            };
            // The slice is copied, because it would keep the connection's buffer from reuse.
            let room = RESPONSE_BODY_LIMIT - self.body.len();
            self.body.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                captured.truncated = true;
                return BodyEnd::Early;
            }
        }
        BodyEnd::Complete
    }

    pub(crate) fn into_response(self) -> Option<CapturedResponse> {
        let mut head = self.head?;
        head.body = self.body.into();
        Some(head)
    }
}

fn captured_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut room = HEADERS_LIMIT;
    let mut captured = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let Some(left) = room.checked_sub(name.as_str().len() + value.len()) else {
            break;
        };
        room = left;
        captured.push((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    captured
}
