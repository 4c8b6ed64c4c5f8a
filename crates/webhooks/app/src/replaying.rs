//! Carrying replays out.

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::ports::{Advance, ReplayRepository, StoreError};
use rdev_webhooks_domain::{ReplayId, ReplayState};
use tokio_util::sync::CancellationToken;

use crate::Outages;

/// How often replays that are due are looked for. What ends between two looks bounds what may wait, see
/// [`Replay::window`](rdev_webhooks_domain::Replay::window).
const INTERVAL: Duration = Duration::from_secs(1);

/// The pause between the steps of a replay that gets on. With the whole window of a hundred that is up to two
/// thousand deliveries a second.
const PACE: Duration = Duration::from_millis(50);

/// How many replays are read at once.
const PAGE: u32 = 100;

/// Takes every open replay further, a step at a time, each as much as the next.
///
/// Any number of processes may do this side by side: a step is made by one of them. What is still to be
/// done stands in the store, so that whoever comes next goes on where another was killed.
pub struct Replaying {
    replays: Arc<dyn ReplayRepository>,
    outages: Outages,
}

impl Replaying {
    /// Takes these replays further.
    #[must_use]
    pub fn new(replays: Arc<dyn ReplayRepository>) -> Self {
        Self { replays, outages: Outages::default() }
    }

    /// Tells these of what the database fails to do.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Works until `drain`. A step that is cut off, or that fails, has done nothing and is made again.
    pub async fn run(self, drain: CancellationToken) {
        loop {
            let busy = tokio::select! {
                () = drain.cancelled() => return,
                busy = self.pass() => busy,
            };
            let pause = if busy { PACE } else { INTERVAL };
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Takes each open replay a step further, and says whether one of them got on.
    pub async fn pass(&self) -> bool {
        match self.steps().await {
            Ok(busy) => {
                self.outages.worked("read replays");
                busy
            }
            Err(error) => {
                self.outages.store_failed("read replays", &error);
                false
            }
        }
    }

    async fn steps(&self) -> Result<bool, StoreError> {
        let mut busy = false;
        let mut after = None;
        loop {
            let page = self.replays.due(after, PAGE).await?;
            for id in &page {
                busy |= self.step(*id).await;
            }
            after = page.last().copied();
            if page.len() < PAGE as usize {
                return Ok(busy);
            }
        }
    }

    /// One step; a replay that fails holds up no other.
    async fn step(&self, id: ReplayId) -> bool {
        match self.replays.advance(id).await {
            Ok(Some(step)) => {
                self.outages.worked("advance a replay");
                tell(id, &step);
                step.queued > 0 || step.ended > 0 || step.looked
            }
            Ok(None) => false,
            Err(error) => {
                self.outages.store_failed("advance a replay", &error);
                tracing::debug!(replay = %id, "cannot advance replay; will retry");
                false
            }
        }
    }
}

fn tell(id: ReplayId, step: &Advance) {
    match step.state {
        ReplayState::Completed { .. } => tracing::info!(replay = %id, "replay completed"),
        ReplayState::Running | ReplayState::Cancelled { .. } => {
            tracing::debug!(replay = %id, queued = step.queued, ended = step.ended, "replay advanced");
        }
    }
}
