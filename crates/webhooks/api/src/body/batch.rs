//! A body that holds many things, each as large as the body of a request for one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::request::Parts;

use super::document::MAX_DEPTH;
use super::{BATCH_LIMIT, Document, LIMIT, linger, media_type, read};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::shares::Share;

/// How many times the events of a body are in memory: as they came, as they were read, and as they are stored.
const COPIES: usize = 3;

/// What surrounds one of many things: an array within an object.
const LEVELS_AROUND: usize = 2;

/// A body of at most [`BATCH_LIMIT`] bytes that is to be read as JSON.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    room: Option<Room>,
}

impl Batch {
    /// Reads what it holds. A long body is read where that keeps nobody else waiting.
    pub(crate) async fn read<T: Send + 'static>(
        self,
        read: impl FnOnce(&Document) -> T + Send + 'static,
    ) -> Result<(T, Option<Room>), Problem> {
        let room = self.room;
        let is_long = self.bytes.len() > LIMIT;
        let reading = move || {
            let document = Document::parse(self.bytes, MAX_DEPTH + LEVELS_AROUND)?;
            Ok::<_, Problem>(read(&document))
        };
        let found = if is_long {
            // It ends early only if it panics, or if the whole process ends.
            tokio::task::spawn_blocking(reading).await.map_err(|_| Problem::internal())?
        } else {
            reading()
        };
        Ok((found?, room))
    }
}

/// The memory that a body takes, to be kept until what it held is done with.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    _share: Arc<Share>,
}

/// Waits until there is room for the body of at most `limit` bytes that these headers announce.
pub(super) async fn room(parts: &Parts, limit: usize) -> Result<Option<Room>, Problem> {
    if let Some(taken) = parts.extensions.get::<Room>() {
        return Ok(Some(taken.clone()));
    }
    // Only a guarded route takes a body.
    let caller = parts.extensions.get::<Caller>().ok_or_else(Problem::internal)?;
    let length = read::announced(&parts.headers).and_then(|length| usize::try_from(length).ok());
    let copies = if limit == BATCH_LIMIT { COPIES } else { 1 };
    let bytes = length.unwrap_or(limit).min(limit);
    let share = caller.limits.room_for_body(caller.holder(), bytes, copies).await?;
    Ok(share.map(|share| Room { _share: Arc::new(share) }))
}

/// Reads a body before its route does, by the same limit. Its room goes with the request, for the route to keep.
pub(crate) async fn read_any(parts: &mut Parts, body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    let (bytes, room) = read::read_in_room(parts, body, limit).await?;
    if let Some(room) = room {
        parts.extensions.insert(room);
    }
    Ok(bytes)
}

impl<S: Send + Sync> FromRequest<S> for Batch {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if let Err(refusal) = media_type::check(&parts) {
            linger::linger_over(&parts.headers, body);
            return Err(refusal);
        }
        let (bytes, room) = read::read_in_room(&parts, body, BATCH_LIMIT).await?;
        Ok(Self { bytes, room })
    }
}
