//! Runs replays.

use std::sync::Arc;
use std::time::Duration;

use rdev_app::Outages;
use rdev_app::periodic::{Periodic, Stagger, repeat};
use rdev_webhooks_domain::ports::{ReplayRepository, StoreError};
use rdev_webhooks_domain::replay::Advance;
use rdev_webhooks_domain::{ReplayId, ReplayState};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field};

use crate::spans::{record_duration, unless_in};

/// The interval at which due replays are read. What finishes between two reads bounds how many deliveries
/// may wait, see [`Replay::window`](rdev_webhooks_domain::Replay::window).
const INTERVAL: Duration = Duration::from_secs(1);

/// The pause between the steps of a replay that makes progress. With the whole window of a hundred that is
/// up to two thousand deliveries a second.
const STEP_INTERVAL: Duration = Duration::from_millis(50);

/// The number of replays that one statement reads.
const PAGE_SIZE: u32 = 100;

/// Advances every open replay step by step, all in turn.
///
/// Any number of processes may run this at the same time: each step is made by one of them. The store holds
/// what is left to do, so that another process continues where a killed one stopped.
pub struct ReplayRunner {
    replays: Arc<dyn ReplayRepository>,
    outages: Outages,
    stagger: Stagger,
}

impl ReplayRunner {
    /// Creates a task that runs these replays.
    #[must_use]
    pub fn new(replays: Arc<dyn ReplayRepository>) -> Self {
        Self { replays, outages: Outages::default(), stagger: Stagger::default() }
    }

    /// Reports failures of the database to `outages`.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Delays the first pass.
    #[must_use]
    pub fn with_stagger(mut self, stagger: Stagger) -> Self {
        self.stagger = stagger;
        self
    }

    /// Runs until `drain`. A step that is interrupted or fails has no effect, and is repeated.
    pub async fn run(self, drain: CancellationToken) {
        let delay = self.stagger.delay(INTERVAL);
        repeat(self, delay, &drain).await;
    }

    /// Advances each open replay by a step, and returns true if one of them made progress.
    pub async fn pass(&self) -> bool {
        match self.steps().await {
            Ok(has_progress) => {
                self.outages.worked("read replays");
                has_progress
            }
            Err(error) => {
                self.outages.store_failed("read replays", &error);
                false
            }
        }
    }

    async fn steps(&self) -> Result<bool, StoreError> {
        let mut has_progress = false;
        let mut after = None;
        loop {
            let page = self.replays.due(after, PAGE_SIZE).await?;
            for id in &page {
                let span = tracing::debug_span!(
                    "replay.step",
                    replay = %id,
                    queued = field::Empty,
                    ended = field::Empty,
                    duration_ms = field::Empty
                );
                has_progress |= self.step(*id).instrument(span).await;
            }
            after = page.last().copied();
            if page.len() < PAGE_SIZE as usize {
                return Ok(has_progress);
            }
        }
    }

    /// Makes one step; a replay that fails does not delay the others.
    async fn step(&self, id: ReplayId) -> bool {
        let begun = Instant::now();
        match self.replays.advance(id).await {
            Ok(Some(step)) => {
                self.outages.worked("advance a replay");
                let span = Span::current();
                span.record("queued", step.queued).record("ended", step.ended);
                record_duration(&span, begun.elapsed());
                log(&span, id, &step);
                step.queued > 0 || step.ended > 0 || step.scanned
            }
            Ok(None) => false,
            Err(error) => {
                self.outages.store_failed("advance a replay", &error);
                tracing::debug!("cannot advance replay; will retry");
                false
            }
        }
    }
}

impl Periodic for ReplayRunner {
    async fn run_once(&mut self) -> Duration {
        if self.pass().await { STEP_INTERVAL } else { INTERVAL }
    }
}

fn log(span: &Span, id: ReplayId, step: &Advance) {
    match step.state {
        ReplayState::Completed { .. } => {
            tracing::info!(replay = unless_in(span, id), "replay completed");
        }
        ReplayState::Running | ReplayState::Cancelled { .. } => tracing::debug!("replay advanced"),
    }
}
