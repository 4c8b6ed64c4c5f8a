//! What bounds the work and the memory of requests, over all of them and for each API key.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::MethodRouter;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::caller::Caller;
use crate::problem::{Problem, ProblemCode};
use crate::shared::Shared;
use crate::shares::{Holder, Share, Shares};

/// How many requests read from the database at the same time, and how many of them at most with the same key. With
/// fewer processors a key has half as many as there are, so that its requests leave the others to everybody else.
const READS: usize = 4;
const MAX_READS_OF_A_KEY: usize = 2;
/// How many KiB request bodies may take in all and with the same key, with what is made of them, from the moment
/// that they are awaited until they are answered.
const BODIES_KIB: usize = 160 * 1_024;
const BODIES_OF_A_KEY_KIB: usize = 64 * 1_024;
/// How many KiB answers may take that wait for their clients to read them.
const ANSWERS_KIB: usize = 96 * 1_024;
const ANSWERS_OF_A_KEY_KIB: usize = 24 * 1_024;
/// What is smaller is not counted: all connections together have no more than 64 MiB of it.
const UNCOUNTED: usize = 16 * 1_024;

/// How long a request waits for its share.
const WAIT: Duration = Duration::from_secs(5);
/// How long a request may read from the database.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// What all requests to a router share.
pub(crate) struct Limits {
    reads: Shares,
    bodies: Shares,
    answers: Shares,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reads: Shares::new(READS, reads_of_a_key()),
            bodies: Shares::new(BODIES_KIB, BODIES_OF_A_KEY_KIB),
            answers: Shares::new(ANSWERS_KIB, ANSWERS_OF_A_KEY_KIB),
        }
    }
}

fn reads_of_a_key() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (processors / 2).clamp(1, MAX_READS_OF_A_KEY)
}

impl Limits {
    /// Waits until there is room for a body of so many bytes, of which so many copies are made; none if it is small.
    pub(crate) async fn room_for_body(
        &self,
        holder: Holder,
        bytes: usize,
        copies: usize,
    ) -> Result<Option<Share>, Problem> {
        if bytes <= UNCOUNTED {
            return Ok(None);
        }
        let units = bytes.saturating_mul(copies).div_ceil(1_024);
        let taken = timeout(WAIT, self.bodies.take(holder, units)).await;
        taken.map(Some).map_err(|_| busy("Too many large request bodies are being read"))
    }

    /// Waits until there is room for an answer among those that wait for their clients; it takes that until it is
    /// sent. A stream takes none.
    pub(crate) async fn hold(&self, holder: Holder, response: Response) -> Result<Response, Problem> {
        let Some(bytes) = response.body().size_hint().exact().filter(|bytes| *bytes > UNCOUNTED as u64)
        else {
            return Ok(response);
        };
        if response.extensions().get::<Counted>().is_some() {
            return Ok(response);
        }
        let units = usize::try_from(bytes).unwrap_or(usize::MAX).div_ceil(1_024);
        let taken = timeout(WAIT, self.answers.take(holder, units)).await;
        let share =
            taken.map_err(|_| busy("Too many responses are waiting for their clients to read them"))?;
        let (mut parts, body) = response.into_parts();
        // It is there already, and whole.
        let body = body.collect().await.map_err(|error| Problem::internal().caused_by(error))?;
        let held = Bytes::from_owner(Held { bytes: body.to_bytes(), _share: share });
        parts.extensions.insert(Counted);
        Ok(Response::from_parts(parts, Body::from(held)))
    }
}

/// On a response whose memory is counted, or is not its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted;

/// On a response that was read from the database: the turn of its request, which ends once the response is held.
#[derive(Debug, Clone)]
pub(crate) struct Turn(#[expect(dead_code, reason = "what counts is that it is there")] Arc<Share>);

/// Bytes that take room as long as they are here.
struct Held {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bounds how many requests to these methods read from the database at once, and for how long.
pub(crate) fn bounded_reads(methods: MethodRouter<Shared>) -> MethodRouter<Shared> {
    methods.route_layer(from_fn(read))
}

async fn read(caller: Caller, request: Request, next: Next) -> Result<Response, Problem> {
    let turn = timeout(WAIT, caller.limits.reads.take(caller.holder(), 1)).await;
    let turn = turn.map_err(|_| busy("Too many read requests are being processed"))?;
    // Dropping it interrupts what it has begun in the database.
    let mut response = timeout(READ_TIMEOUT, next.run(request)).await.map_err(|_| {
        let detail = "The query took too long. Narrow it: name a webhook, or give since and until.";
        Problem::new(ProblemCode::DeadlineExceeded, detail)
    })?;
    response.extensions_mut().insert(Turn(Arc::new(turn)));
    Ok(response)
}

fn busy(what: &str) -> Problem {
    Problem::new(ProblemCode::Unavailable, format!("{what}. Try again."))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use futures_util::FutureExt;

    use super::*;

    fn answer(bytes: usize) -> Response {
        vec![b'x'; bytes].into_response()
    }

    #[tokio::test]
    async fn answers_that_nobody_reads_take_no_more_than_their_part() {
        const BYTES: usize = 1_024 * 1_024;
        let limits = Limits::default();
        let mut unread = Vec::new();
        while let Some(held) = limits.hold(Holder::Administrator, answer(BYTES)).now_or_never() {
            unread.push(held.unwrap());
        }
        assert_eq!(unread.len() * BYTES, ANSWERS_OF_A_KEY_KIB * 1_024);
        assert!(limits.hold(Holder::Anybody, answer(BYTES)).now_or_never().is_some());
        assert!(limits.hold(Holder::Administrator, answer(UNCOUNTED)).now_or_never().is_some());
        // One that is read makes room for the next, and is whole.
        let read = unread.remove(0).into_body().collect().await.unwrap().to_bytes();
        assert_eq!(read.len(), BYTES);
        drop(read);
        assert!(limits.hold(Holder::Administrator, answer(BYTES)).now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_finds_no_room_is_unavailable() {
        let limits = Limits::default();
        let _held = limits.hold(Holder::Anybody, answer(ANSWERS_OF_A_KEY_KIB * 1_024)).await.unwrap();
        let refused = limits.hold(Holder::Anybody, answer(UNCOUNTED + 1)).await.unwrap_err();
        assert_eq!(refused.code(), ProblemCode::Unavailable);
    }
}
