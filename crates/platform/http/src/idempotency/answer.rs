//! The stored form of a response: a line of JSON with its status and headers, then its unchanged body.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use rdev_access::RememberedAnswer;
use serde::{Deserialize, Serialize};

/// Maximum bytes of a stored body. No response to a POST comes near to it.
const MAX_BYTES: usize = 4 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Head {
    status: u16,
    headers: Vec<(String, String)>,
}

/// Encodes a response for storage, and returns it to be sent; `None` if its body cannot be read completely.
pub(super) async fn remember(response: Response) -> Option<(RememberedAnswer, Response)> {
    let (mut parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, MAX_BYTES).await.ok()?;
    // The server sets the length when it sends the response.
    parts.headers.remove(CONTENT_LENGTH);
    let headers = parts.headers.iter().map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    let head = Head { status: parts.status.as_u16(), headers: headers.collect::<Option<_>>()? };
    let mut kept = serde_json::to_vec(&head).ok()?;
    kept.push(b'\n');
    kept.extend_from_slice(&body);
    Some((RememberedAnswer(kept.into()), Response::from_parts(parts, Body::from(body))))
}

/// Decodes what [`remember`] encoded.
pub(super) fn read(remembered: &RememberedAnswer) -> Option<Response> {
    let RememberedAnswer(kept) = remembered;
    let end = kept.iter().position(|byte| *byte == b'\n')?;
    let head: Head = serde_json::from_slice(&kept[..end]).ok()?;
    let body: Bytes = kept.slice(end + 1..);
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    for (name, value) in head.headers {
        headers.append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(head.status).ok()?;
    *response.headers_mut() = headers;
    Some(response)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use http::header::{ETAG, LOCATION, SET_COOKIE};

    use super::*;

    #[tokio::test]
    async fn a_response_round_trips() {
        let headers = [(LOCATION, "/webhooks/1"), (ETAG, "\"1\\\""), (SET_COOKIE, "a"), (SET_COOKIE, "b")];
        for body in [&b""[..], b"{\"a\":\n1}\n", b"\n\xff\0"] {
            let mut response = (StatusCode::CREATED, body).into_response();
            for (name, value) in &headers {
                response.headers_mut().append(name, HeaderValue::from_static(value));
            }
            let (remembered, sent) = remember(response).await.unwrap();
            let again = read(&remembered).unwrap();
            assert_eq!(again.status(), StatusCode::CREATED);
            assert_eq!(again.headers(), sent.headers());
            for response in [sent, again] {
                assert_eq!(axum::body::to_bytes(response.into_body(), 100).await.unwrap(), body);
            }
        }
    }

    #[test]
    fn an_invalid_stored_response_is_none() {
        for kept in [&b""[..], b"{}", b"{}\n", b"{\"status\":99,\"headers\":[]}\n", b"x\ny"] {
            assert!(read(&RememberedAnswer(Bytes::from_static(kept))).is_none(), "{kept:?}");
        }
    }
}
