//! A body that holds many things, each as large as the body of a request for one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::request::Parts;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::document::MAX_DEPTH;
use super::{BATCH_LIMIT, Document, LIMIT, linger, media_type, read};
use crate::problem::Problem;

/// How many KiB such bodies may have in all, from the moment that they are awaited until they are answered:
/// 256 MiB. Further ones wait, so that they cannot take all memory between them.
static ROOM: Semaphore = Semaphore::const_new(256 * 1024);

/// What surrounds one of many things: an array within an object.
const LEVELS_AROUND: usize = 2;

/// A body of at most [`BATCH_LIMIT`] bytes that is to be read as JSON.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    room: Room,
}

impl Batch {
    /// Reads what it holds. A long body is read where that keeps nobody else waiting.
    pub(crate) async fn read<T: Send + 'static>(
        self,
        read: impl FnOnce(&Document) -> T + Send + 'static,
    ) -> Result<(T, Room), Problem> {
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
#[derive(Clone)]
pub(crate) struct Room {
    _share: Arc<SemaphorePermit<'static>>,
}

impl Room {
    /// Waits until there is room for the body that these headers announce.
    async fn take(headers: &HeaderMap) -> Result<Self, Problem> {
        let length = read::announced(headers).and_then(|length| usize::try_from(length).ok());
        let kib = length.unwrap_or(BATCH_LIMIT).min(BATCH_LIMIT).div_ceil(1024);
        let share = ROOM.acquire_many(u32::try_from(kib).unwrap_or(u32::MAX)).await;
        // The semaphore is never closed.
        Ok(Self { _share: Arc::new(share.map_err(|_| Problem::internal())?) })
    }
}

/// Reads a body before its route does, by the same limit. The room of one that holds many things goes with the
/// request, for the route to keep.
pub(crate) async fn read_any(parts: &mut Parts, body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    if limit == BATCH_LIMIT {
        let room = Room::take(&parts.headers).await?;
        parts.extensions.insert(room);
    }
    read::read(parts, body, limit).await
}

impl<S: Send + Sync> FromRequest<S> for Batch {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if let Err(refusal) = media_type::check(&parts) {
            linger::linger_over(&parts.headers, body);
            return Err(refusal);
        }
        let room = match parts.extensions.get::<Room>() {
            Some(room) => room.clone(),
            None => Room::take(&parts.headers).await?,
        };
        let bytes = read::read(&parts, body, BATCH_LIMIT).await?;
        Ok(Self { bytes, room })
    }
}
