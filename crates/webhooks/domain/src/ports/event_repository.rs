use std::collections::BTreeSet;

use async_trait::async_trait;

use super::StoreError;
use crate::{
    DeliveryCounts, EventFilter, EventId, EventRecord, NewEvent, Page, PageRequest, ProjectName,
    PublishOutcome, Published,
};

/// Where events are published and looked at.
#[async_trait]
pub trait EventRepository: Send + Sync + 'static {
    /// Stores events with all their deliveries and answers for each, in the same order, unless they would
    /// add more than `max_deliveries` deliveries in all.
    ///
    /// 1. MUST commit every event of the batch and every delivery in one transaction, and be on disk
    ///    before it answers. (`publish_stores_the_event_and_a_delivery_for_each_subscriber`)
    /// 2. MUST give a delivery to each enabled webhook that [`Webhook::wants`](crate::Webhook::wants)
    ///    the event, once, however many of its patterns match, and to no other.
    ///    (`publish_reaches_just_those_that_want_it`)
    /// 3. MUST give the delivery the id [`DeliveryId::derive`](crate::DeliveryId::derive) and make it
    ///    due at once. (`publish_stores_the_event_and_a_delivery_for_each_subscriber`)
    /// 4. MUST answer a key that the same project has used before, in this batch or an earlier one,
    ///    with the first event, and add nothing, however many publish it at once; the rest of the batch is unharmed.
    ///    (`publish_takes_a_key_once`, `concurrent_publishers_take_a_key_once`)
    /// 5. MUST send a targeted event to its webhook alone, whatever that subscribes to.
    ///    (`publish_to_one_webhook_reaches_it_alone`)
    /// 6. MUST wake [`DeliveryQueue::wait_for_work`](super::DeliveryQueue::wait_for_work) of the same
    ///    process when there is something new to deliver. (`publishing_wakes_a_waiting_worker`)
    /// 7. MUST add nothing for an event whose id is there already, as after a call whose answer was lost;
    ///    the rest of the batch is unharmed. (`publish_takes_an_id_once`)
    /// 8. MUST store nothing if the new deliveries of the events exceed `max_deliveries`, and decide that in
    ///    the same transaction; a repeated key adds no delivery. (`publish_stores_nothing_over_its_limit`)
    /// 9. MUST count [`Published::visible_deliveries`] in the same transaction.
    ///    (`publish_counts_the_visible_deliveries`)
    async fn publish_within(
        &self,
        events: &[NewEvent],
        max_deliveries: u32,
    ) -> Result<PublishOutcome, StoreError>;

    /// Stores events as [`Self::publish_within`] does, however many deliveries they are given.
    async fn publish(&self, events: &[NewEvent]) -> Result<Vec<Published>, StoreError> {
        match self.publish_within(events, u32::MAX).await? {
            PublishOutcome::Stored(published) => Ok(published),
            PublishOutcome::TooLarge(_) => {
                Err(StoreError::Internal("events were refused without a limit".into()))
            }
        }
    }

    /// One event and what became of it.
    ///
    /// 1. MUST count all the event's deliveries by their status. (`an_event_tells_what_became_of_it`)
    async fn get(&self, id: EventId) -> Result<Option<EventRecord>, StoreError>;

    /// A page of events, newest first.
    ///
    /// 1. MUST page without gaps and repetitions while events are added. (`events_are_paged_newest_first`)
    /// 2. MUST apply every filter that is given. (`events_are_filtered`,
    ///    `events_are_shown_to_their_projects_alone`)
    /// 3. MUST leave out the body of an event that is longer than [`MAX_LISTED_BODY`](crate::MAX_LISTED_BODY), and of
    ///    no other. (`a_list_of_events_leaves_out_large_bodies`)
    ///
    /// Like every list, it MUST end what it does in the database when the call is dropped, and keep nothing but other
    /// lists waiting meanwhile. (Each store proves that by tests of its own on its listings.)
    async fn list(
        &self,
        filter: &EventFilter,
        page: PageRequest<EventId>,
    ) -> Result<Page<EventRecord>, StoreError>;

    /// What became of events for who is limited to some projects: each event's deliveries to webhooks that
    /// are visible to these, in the same order. A deleted webhook counts as it was.
    ///
    /// 1. MUST count all of these, and no other. (`deliveries_are_counted_for_their_projects_alone`)
    async fn count_visible(
        &self,
        events: &[EventId],
        visible_to: &BTreeSet<ProjectName>,
    ) -> Result<Vec<DeliveryCounts>, StoreError>;
}
