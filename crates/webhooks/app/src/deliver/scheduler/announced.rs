//! The claims from webhooks that a wake-up names.

use rdev_webhooks_domain::WakeUp;
use rdev_webhooks_domain::ports::StoreError;
use tokio::time::Instant;

use super::super::round::Round;
use super::{Next, Scheduler};

/// The part of the free slots, as its denominator, that goes to announced deliveries ahead of a long round.
const SHARE_AHEAD_OF_ROUND: usize = 4;

impl Scheduler {
    /// Claims what a wake-up announces, if nothing else can be claimable. Returns `None` if there may be more.
    pub(super) async fn take_announced(
        &mut self,
        wake_up: &WakeUp,
        now: Instant,
    ) -> Result<Option<Next>, StoreError> {
        if let Some((webhooks, discover_at)) = self.active.announced(wake_up, now) {
            self.take(&webhooks, usize::MAX, now).await?;
            if self.active.have_all_yielded(&webhooks, now) {
                let next = self.end_of_round(now, discover_at);
                self.active.end_quiet(if next.when_freed { now } else { next.at });
                return Ok(Some(next));
            }
            // A webhook that yields nothing has changed, or another worker was faster.
            self.active.forget(&webhooks);
            self.round = Round::default();
        }
        self.active.end_quiet(now);
        Ok(None)
    }

    /// Claims what a wake-up announces for a part of the free slots, between two pages of a long round: while a crowd is
    /// due, the others need not wait until the round comes to them.
    pub(super) async fn take_ahead_of_round(&mut self, now: Instant) -> Result<(), StoreError> {
        let share = self.free_slots() / SHARE_AHEAD_OF_ROUND;
        if !self.has_pages || share == 0 {
            return Ok(());
        }
        if let Some(wake_up) = self.announced.take() {
            let webhooks = self.active.known(&wake_up, now);
            self.take(&webhooks, share, now).await?;
        }
        Ok(())
    }
}
