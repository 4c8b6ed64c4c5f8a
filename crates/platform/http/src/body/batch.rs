//! A body that contains several items, each as large as the body of a request for one.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::routing::MethodRouter;
use http::request::Parts;

use super::document::MAX_DEPTH;
use super::{BATCH_LIMIT, Document, LIMIT, linger, media_type, read};
use crate::Caller;
use crate::Problem;
use crate::Share;

/// Number of copies of a body's events in memory: as received, as parsed, and as stored.
const COPIES: usize = 3;

/// Nesting levels around an item: an array within an object.
const LEVELS_AROUND: usize = 2;

/// A body of at most [`BATCH_LIMIT`] bytes, to be parsed as JSON.
pub struct Batch {
    bytes: Vec<u8>,
    room: Option<Room>,
}

impl Batch {
    /// Parses the body. A long body is parsed on a separate thread, so that it delays no other request.
    pub async fn read<T: Send + 'static>(
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
            // The task fails only if it panics, or if the whole process ends.
            tokio::task::spawn_blocking(reading).await.map_err(|_| Problem::internal())?
        } else {
            reading()
        };
        Ok((found?, room))
    }
}

/// The memory reserved for a body, to be kept until its content has been processed.
#[derive(Debug, Clone)]
pub struct Room {
    _share: Arc<Share>,
}

/// Reserves memory for the body of at most `limit` bytes that these headers announce, waiting if necessary.
pub(super) async fn room(parts: &Parts, limit: usize) -> Result<Option<Room>, Problem> {
    if let Some(taken) = parts.extensions.get::<Room>() {
        return Ok(Some(taken.clone()));
    }
    // Only guarded routes have a body.
    let caller = parts.extensions.get::<Caller>().ok_or_else(Problem::internal)?;
    let length = read::announced(&parts.headers).and_then(|length| usize::try_from(length).ok());
    let copies = if limit == BATCH_LIMIT { COPIES } else { 1 };
    let bytes = length.unwrap_or(limit).min(limit);
    let share = caller.limits.room_for_body(caller.holder(), bytes, copies).await?;
    Ok(share.map(|share| Room { _share: Arc::new(share) }))
}

/// Request extension: the maximum bytes of a body, if it is not [`LIMIT`].
#[derive(Debug, Clone, Copy)]
struct BodyLimit(usize);

/// Lets these methods, which read a [`Batch`], have a body of up to [`BATCH_LIMIT`] bytes. This is the outermost
/// layer of the route.
pub fn takes_batch<S: Clone + Send + Sync + 'static>(methods: MethodRouter<S>) -> MethodRouter<S> {
    takes_bytes(BATCH_LIMIT, methods)
}

/// Lets these methods, which read a [`Document`], have a body of up to `limit` bytes. This is the outermost layer of the
/// route.
pub fn takes_bytes<S: Clone + Send + Sync + 'static>(
    limit: usize,
    methods: MethodRouter<S>,
) -> MethodRouter<S> {
    methods.route_layer(Extension(BodyLimit(limit)))
}

/// Returns the maximum bytes of the body of a request.
pub(super) fn limit(parts: &Parts) -> usize {
    parts.extensions.get::<BodyLimit>().map_or(LIMIT, |limit| limit.0)
}

/// Reads a body before its route does, with the same limit. The request keeps the reserved memory for the
/// route.
pub(crate) async fn read_any(parts: &mut Parts, body: Body) -> Result<Vec<u8>, Problem> {
    let (bytes, room) = read::read_in_room(parts, body, limit(parts)).await?;
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
