//! The scheduler's position in its round over the webhooks.

use rdev_webhooks_domain::WebhookId;
use tokio::time::Instant;

/// One round over the webhooks with due deliveries, a page at a time.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Where the next page begins.
    pub(super) after: Option<WebhookId>,
    /// Where the round began, if not at the first webhook. It ends there.
    pub(super) began_after: Option<WebhookId>,
    pub(super) is_under_way: bool,
    /// Number of pages so far.
    pub(super) pages: u32,
    /// True if some webhook holds no slot and no slot is free for it.
    pub(super) waits_for_slot: bool,
    /// Number of lanes of the last page with webhooks that want deliveries.
    pub(super) lanes: usize,
    /// True if some webhook yielded as many deliveries as the claim asked for, so it may have more.
    pub(super) more: bool,
    /// True if some webhook has more due deliveries than slots.
    pub(super) short_of_slots: bool,
    /// When the next delivery becomes due.
    pub(super) due_at: Option<Instant>,
}

impl Round {
    pub(super) fn due(&mut self, at: Instant) {
        self.due_at = Some(self.due_at.map_or(at, |sooner| sooner.min(at)));
    }

    /// Continues after a page that ends with `last`, which is `None` for the last page. Returns true if
    /// another page follows: after the last webhook the round continues from the first webhook to where it
    /// began.
    pub(super) fn goes_on_after(&mut self, last: Option<WebhookId>) -> bool {
        let has_wrapped = self.after < self.began_after;
        self.after = last;
        match (last, self.began_after) {
            (Some(last), Some(began_after)) if has_wrapped => last < began_after,
            (Some(_), _) => true,
            (None, Some(_)) => !has_wrapped,
            (None, None) => false,
        }
    }
}
