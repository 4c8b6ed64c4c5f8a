//! The sink of a run.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use rdev_runner_domain::ports::EventSink;
use rdev_runner_domain::{AgentEventKind, AgentResult};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::outbox::Outbox;
use super::position::{Covered, Position};
use super::scrubber::{Leftovers, Scrubber};
use super::shared::Shared;
use crate::redactor::Redactor;

/// The warning about deltas that are left out. Messages are complete.
const DELTAS_DROPPED: &str = "text deltas are missing: the runner left them out because the store was slow or \
                              because it took over the run; the messages are complete";

/// Removes the secrets from the events of a run and puts them into its outbox. Without room it drops text
/// deltas, and waits with everything else.
pub(super) struct RunSink<'a> {
    shared: &'a Shared,
    outbox: &'a Outbox,
    redactor: &'a Redactor,
    /// Cancelled with the first report.
    reported: &'a CancellationToken,
    has_dropped: AtomicBool,
    /// Also keeps the events in order.
    state: Mutex<State<'a>>,
}

struct State<'a> {
    scrubber: Scrubber<'a>,
    leftovers: Leftovers,
    /// The number of events since the last checkpoint in the outbox.
    events: u64,
    /// The number of the first of them that are stored already.
    stored: u64,
    /// The bytes of the next one, a text delta, that are stored too.
    stored_bytes: usize,
    /// A checkpoint that waits for an event before it, which is held back, and the number of the events
    /// before it.
    deferred: Option<(String, u64)>,
}

impl<'a> RunSink<'a> {
    /// Creates the sink of a run. With a position, the run is taken over: the events up to it are stored.
    pub(super) fn new(
        shared: &'a Shared,
        outbox: &'a Outbox,
        redactor: &'a Redactor,
        taken_over: Option<&Position>,
        reported: &'a CancellationToken,
    ) -> Self {
        let covered = taken_over.map_or_else(Covered::default, |position| position.covered);
        let state = State {
            scrubber: Scrubber::new(redactor),
            leftovers: Leftovers::new(covered.is_mid_delta),
            events: 0,
            stored: covered.events,
            stored_bytes: covered.bytes,
            deferred: None,
        };
        let has_dropped = AtomicBool::new(false);
        Self { shared, outbox, redactor, reported, has_dropped, state: Mutex::new(state) }
    }

    /// Takes the result, after all events, and returns it without secrets.
    pub(super) async fn finish(&self, result: AgentResult) -> AgentResult {
        let mut state = self.state.lock().await;
        let rest = state.scrubber.finish();
        let covered = state.covered();
        for kind in rest {
            self.put(kind, covered).await;
        }
        self.redactor.redact_result(result)
    }

    /// Reports something that the runner itself has found. It is no event of the agent, so that the agent does not pass
    /// it again to a runner that takes over.
    pub(super) async fn warn(&self, message: String) {
        let state = self.state.lock().await;
        let message = self.redactor.redact(&message);
        self.put(AgentEventKind::Warning { message }, state.covered()).await;
    }

    async fn put(&self, kind: AgentEventKind, covered: Covered) {
        let at = self.shared.ambient.now();
        if !matches!(kind, AgentEventKind::TextDelta { .. }) {
            self.outbox.push(at, kind, covered).await;
        } else if !self.outbox.try_push(at, kind, covered) {
            self.drop_delta(covered);
        }
    }

    fn drop_delta(&self, covered: Covered) {
        self.shared.metrics.delta_dropped();
        if !self.has_dropped.swap(true, Ordering::Relaxed) {
            let message = DELTAS_DROPPED.to_owned();
            self.outbox.force_push(self.shared.ambient.now(), AgentEventKind::Warning { message }, covered);
        }
    }
}

impl State<'_> {
    /// Returns what needs no repetition once the outbox is stored.
    fn covered(&self) -> Covered {
        let held = self.scrubber.held();
        let is_mid_delta = held.is_mid_delta || self.leftovers.are_expected();
        if self.events <= self.stored {
            return Covered { events: self.stored, bytes: self.stored_bytes, is_mid_delta };
        }
        Covered { events: self.events - held.events, bytes: held.released_bytes, is_mid_delta }
    }

    /// Returns what needs no repetition before the last event.
    fn covered_before(&self) -> Covered {
        Covered { events: self.events - 1, bytes: 0, ..self.covered() }
    }
}

#[async_trait]
impl EventSink for RunSink<'_> {
    async fn emit(&self, event: AgentEventKind) {
        self.reported.cancel();
        let mut state = self.state.lock().await;
        state.events += 1;
        if state.events <= state.stored {
            return;
        }
        let stored_bytes = std::mem::take(&mut state.stored_bytes);
        if state.leftovers.contain(&event) {
            self.drop_delta(state.covered());
            return;
        }
        let mut clean = state.scrubber.scrub(event, stored_bytes);
        if let Some(last) = clean.pop() {
            // What was held back before belongs to earlier events.
            let before = state.covered_before();
            for kind in clean {
                self.put(kind, before).await;
            }
            self.put(last, state.covered()).await;
        }
        if state.scrubber.held().events == 0
            && let Some((text, events)) = state.deferred.take()
        {
            state.events -= events;
            state.stored = state.stored.saturating_sub(events);
            self.outbox.checkpoint(text, state.covered());
        }
    }

    async fn checkpoint(&self, checkpoint: String) {
        self.reported.cancel();
        let mut state = self.state.lock().await;
        if state.scrubber.held().events > 0 {
            state.deferred = Some((checkpoint, state.events));
            return;
        }
        state.deferred = None;
        state.stored = state.stored.saturating_sub(state.events);
        state.events = 0;
        self.outbox.checkpoint(checkpoint, state.covered());
    }
}
