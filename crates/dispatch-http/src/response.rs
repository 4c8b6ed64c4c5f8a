//! Keeping what is kept of a response.

use bytes::Bytes;
use http::{HeaderMap, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rdev_webhooks_domain::{AttemptFailure, CapturedResponse, RESPONSE_BODY_LIMIT};

use crate::failure;

/// How many bytes of names and values are kept. The head as such is bounded to twice that by the client,
/// more is a failure; headers beyond this bound are only left out of what is kept.
const HEADERS_LIMIT: usize = 16 * 1024;

/// A response as far as it has come. It stands outside the future that reads it, so that what has come is
/// still there when the deadline ends that future.
#[derive(Default)]
pub(crate) struct Capture {
    head: Option<CapturedResponse>,
    body: Vec<u8>,
}

impl Capture {
    pub(crate) fn has_head(&self) -> bool {
        self.head.is_some()
    }

    /// Keeps the head and as much of the body as is kept. What is over is dropped, and the connection
    /// with it.
    pub(crate) async fn read(&mut self, response: Response<Incoming>) -> Result<(), AttemptFailure> {
        let (head, mut body) = response.into_parts();
        let length_announced = head.headers.contains_key(header::CONTENT_LENGTH);
        let captured = self.head.insert(CapturedResponse {
            status: head.status.as_u16(),
            headers: captured_headers(&head.headers),
            body: Bytes::new(),
            truncated: false,
        });
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| failure::of_body(&error, length_announced))?;
            let Ok(data) = frame.into_data() else {
                continue; // Trailers.
            };
            // Copied out, for it is a slice of the connection's buffer, which it would keep from reuse.
            let room = RESPONSE_BODY_LIMIT - self.body.len();
            self.body.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                captured.truncated = true;
                return Ok(());
            }
        }
        Ok(())
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
