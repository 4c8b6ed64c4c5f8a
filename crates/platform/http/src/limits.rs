//! Limits on the work and memory of requests, in total and per API key.

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

use crate::Caller;
use crate::{Holder, Share, Shares};
use crate::{Problem, ProblemCode};

/// Maximum number of requests that read from the database concurrently, in total and per key. With fewer
/// processors a key gets half as many as there are processors, so that its requests leave the others free.
const READS: usize = 4;
const MAX_READS_OF_A_KEY: usize = 2;
/// Maximum KiB of request bodies and of the data parsed from them, in total and per key. A request holds its
/// part from the moment it waits for its body until it is answered.
const BODIES_KIB: usize = 160 * 1_024;
const BODIES_OF_A_KEY_KIB: usize = 64 * 1_024;
/// Maximum KiB of responses that their clients have not read yet, in total and per key.
const ANSWERS_KIB: usize = 96 * 1_024;
const ANSWERS_OF_A_KEY_KIB: usize = 24 * 1_024;
/// Bodies and responses up to this size are not counted: all connections together have at most 64 MiB of
/// them.
const UNCOUNTED: usize = 16 * 1_024;

/// How long a request waits for its share.
const WAIT: Duration = Duration::from_secs(5);
/// How long a request may read from the database.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The limits that all requests to a router share.
pub struct Limits {
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
    /// Reserves memory for `copies` copies of a body of `bytes` bytes, waiting if necessary. Returns `None`
    /// for a small body.
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

    /// Reserves memory for a response that waits for its client, waiting if necessary. The response keeps it
    /// until it is sent. A stream reserves none.
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
        // The body is complete and in memory.
        let body = body.collect().await.map_err(|error| Problem::internal().caused_by(error))?;
        let held = Bytes::from_owner(Held { bytes: body.to_bytes(), _share: share });
        parts.extensions.insert(Counted);
        Ok(Response::from_parts(parts, Body::from(held)))
    }
}

/// Response extension: the response's memory is counted already, or is shared with other responses.
#[derive(Debug, Clone, Copy)]
pub struct Counted;

/// Response extension: the read permit of the request, which is released once the response has reserved its
/// memory.
#[derive(Debug, Clone)]
pub(crate) struct Turn(#[expect(dead_code, reason = "what counts is that it is there")] Arc<Share>);

/// Bytes that keep their reserved memory as long as they exist.
struct Held {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Limits how many requests to these methods read from the database concurrently, and for how long.
pub fn bounded_reads<S: Clone + Send + Sync + 'static>(methods: MethodRouter<S>) -> MethodRouter<S> {
    methods.route_layer(from_fn(read))
}

async fn read(caller: Caller, request: Request, next: Next) -> Result<Response, Problem> {
    let turn = timeout(WAIT, caller.limits.reads.take(caller.holder(), 1)).await;
    let turn = turn.map_err(|_| busy("Too many read requests are being processed"))?;
    // Dropping the request interrupts its database query.
    let mut response = timeout(READ_TIMEOUT, next.run(request)).await.map_err(|_| {
        let detail = "The query took too long. Narrow it: name a webhook, or give since and until.";
        Problem::new(ProblemCode::DEADLINE_EXCEEDED, detail)
    })?;
    response.extensions_mut().insert(Turn(Arc::new(turn)));
    Ok(response)
}

fn busy(what: &str) -> Problem {
    Problem::new(ProblemCode::UNAVAILABLE, format!("{what}. Try again."))
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
    async fn unread_responses_take_at_most_their_part() {
        const BYTES: usize = 1_024 * 1_024;
        let limits = Limits::default();
        let mut unread = Vec::new();
        while let Some(held) = limits.hold(Holder::Administrator, answer(BYTES)).now_or_never() {
            unread.push(held.unwrap());
        }
        assert_eq!(unread.len() * BYTES, ANSWERS_OF_A_KEY_KIB * 1_024);
        assert!(limits.hold(Holder::Anybody, answer(BYTES)).now_or_never().is_some());
        assert!(limits.hold(Holder::Administrator, answer(UNCOUNTED)).now_or_never().is_some());
        // A response that is read to its end makes room for the next.
        let read = unread.remove(0).into_body().collect().await.unwrap().to_bytes();
        assert_eq!(read.len(), BYTES);
        drop(read);
        assert!(limits.hold(Holder::Administrator, answer(BYTES)).now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_without_room_is_unavailable() {
        let limits = Limits::default();
        let _held = limits.hold(Holder::Anybody, answer(ANSWERS_OF_A_KEY_KIB * 1_024)).await.unwrap();
        let refused = limits.hold(Holder::Anybody, answer(UNCOUNTED + 1)).await.unwrap_err();
        assert_eq!(refused.code(), ProblemCode::UNAVAILABLE);
    }
}
