//! How far the scheduler has gone through the webhooks.

use rdev_webhooks_domain::WebhookId;
use tokio::time::Instant;

/// One round over the webhooks that have something due, a page at a time.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Where the next page begins.
    pub(super) after: Option<WebhookId>,
    /// Where it began, if that was not at the first webhook: there it ends.
    pub(super) began_after: Option<WebhookId>,
    pub(super) is_under_way: bool,
    /// How many pages it has looked at.
    pub(super) pages: u32,
    /// Some webhook holds no slot, and none is free for it.
    pub(super) waits_for_slot: bool,
    /// How many lanes of the last page want something.
    pub(super) lanes: usize,
    /// Some webhook gave all that was asked of it, and so may have more.
    pub(super) more: bool,
    /// Some webhook has more than there are slots for it.
    pub(super) short_of_slots: bool,
    /// When the next delivery becomes due, or a rate allows it.
    pub(super) due_at: Option<Instant>,
}

impl Round {
    pub(super) fn due(&mut self, at: Instant) {
        self.due_at = Some(self.due_at.map_or(at, |sooner| sooner.min(at)));
    }

    /// Goes on after a page that ends with `last`; none if there are no more. Says whether there is another page:
    /// after the last webhook those follow from the first one to where the round began.
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
