//! Reading a body within its limits.

use axum::body::{Body, HttpBody};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http_body_util::BodyExt;

use super::batch::{Room, room};
use super::linger::linger_over;
use crate::{Deadline, Passed};
use crate::{Problem, ProblemCode};

/// Maximum bytes that are allocated before anything has arrived.
const FIRST_ROOM: usize = 16 * 1024;

/// Reads a body of at most `limit` bytes before the request's deadline.
pub(super) async fn read(parts: &Parts, body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    if announced(&parts.headers).is_some_and(|length| length > limit as u64) {
        linger_over(&parts.headers, body);
        return Err(too_large(limit));
    }
    let reading = collect(parts, body, limit);
    match Deadline::of(&parts.extensions) {
        None => reading.await,
        Some(deadline) => deadline.bound(reading).await.unwrap_or_else(|Passed| Err(too_slow())),
    }
}

/// Like [`read`], after reserving memory for the body, which is to be kept until its content has been
/// processed.
pub(super) async fn read_in_room(
    parts: &Parts,
    body: Body,
    limit: usize,
) -> Result<(Vec<u8>, Option<Room>), Problem> {
    if announced(&parts.headers).is_none_or(|length| length <= limit as u64) {
        match room(parts, limit).await {
            Ok(room) => return Ok((read(parts, body, limit).await?, room)),
            Err(busy) => {
                linger_over(&parts.headers, body);
                return Err(busy);
            }
        }
    }
    Ok((read(parts, body, limit).await?, None))
}

/// Returns the length that the headers announce.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn collect(parts: &Parts, mut body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    let hint = usize::try_from(body.size_hint().lower()).unwrap_or(FIRST_ROOM);
    let mut bytes = Vec::with_capacity(hint.min(FIRST_ROOM));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| incomplete())?;
        let Ok(data) = frame.into_data() else {
            continue; // trailers
        };
        if bytes.len() + data.len() > limit {
            linger_over(&parts.headers, body);
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("The body must be at most {limit} bytes long.");
    Problem::new(ProblemCode::BODY_TOO_LARGE, detail)
}

fn too_slow() -> Problem {
    Problem::new(ProblemCode::REQUEST_TIMEOUT, "The body did not arrive in time.")
}

fn incomplete() -> Problem {
    let detail = "The connection ended before the body did, or the body's framing is broken.";
    Problem::new(ProblemCode::INCOMPLETE_BODY, detail)
}
