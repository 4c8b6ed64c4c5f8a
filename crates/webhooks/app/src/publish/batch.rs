//! The calls of publishers, and the batches that they make.

use std::time::Duration;

use rdev_webhooks_domain::{NewEvent, Published};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{MAX_BATCH_DELIVERIES, MAX_EVENT_DELIVERIES, PublishError};

/// Maximum number of bytes of bodies per commit, unless a single call brings more.
const MAX_BATCH_BYTES: usize = 8 << 20;
/// Maximum wait of a call for its commit to begin. A commit that has begun is not abandoned.
const MAX_WAIT: Duration = Duration::from_secs(8);

/// The channel of a caller's answer.
type Answer = oneshot::Sender<Result<Vec<Published>, PublishError>>;

/// The events of one caller.
pub(super) struct Call {
    pub(super) events: Vec<NewEvent>,
    pub(super) answer: Answer,
    /// When it was handed over.
    pub(super) since: Instant,
}

/// The events of one commit.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) events: Vec<NewEvent>,
    bytes: usize,
    /// The calls: the number of events, the channel of the answer, and the time of the call.
    pub(super) waiting: Vec<(usize, Answer, Instant)>,
}

impl Batch {
    pub(super) fn has_room_for(&self, call: &Call, limit: usize) -> bool {
        self.events.is_empty()
            || self.events.len() + call.events.len() <= limit && self.bytes + call.bytes() <= MAX_BATCH_BYTES
    }

    pub(super) fn add(&mut self, call: Call) {
        self.bytes += call.bytes();
        self.waiting.push((call.events.len(), call.answer, call.since));
        self.events.extend(call.events);
    }

    /// The calls again.
    pub(super) fn into_calls(self) -> impl Iterator<Item = Call> {
        let mut events = self.events.into_iter();
        self.waiting.into_iter().map(move |(count, answer, since)| Call {
            events: events.by_ref().take(count).collect(),
            answer,
            since,
        })
    }

    pub(super) fn answer(self, published: Vec<Published>) {
        let mut published = published.into_iter();
        for (count, answer, _) in self.waiting {
            // Fails if the caller went away; the event is stored all the same.
            let _ = answer.send(Ok(published.by_ref().take(count).collect()));
        }
    }

    pub(super) fn fail(self, error: &PublishError) {
        for (_, answer, _) in self.waiting {
            let _ = answer.send(Err(error.clone()));
        }
    }
}

impl Call {
    fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.body.len()).sum()
    }

    /// Returns the call, or `None` if it ends before it begins: its caller went away, or it has waited for too
    /// long, which its caller learns. Nothing is stored of such a call.
    pub(super) fn begin(self) -> Option<Self> {
        if self.answer.is_closed() {
            return None;
        }
        if self.since.elapsed() > MAX_WAIT {
            self.refuse(PublishError::Busy);
            return None;
        }
        Some(self)
    }

    pub(super) fn refuse(self, error: PublishError) {
        let _ = self.answer.send(Err(error));
    }

    /// Returns the maximum number of deliveries of the call.
    pub(super) fn limit(&self) -> u32 {
        if self.events.len() == 1 { MAX_EVENT_DELIVERIES } else { MAX_BATCH_DELIVERIES }
    }
}
