use async_trait::async_trait;

use super::StoreError;
use crate::{
    Access, DeliveryCounts, EventFilter, EventId, EventRecord, NewEvent, Page, PageRequest, PublishOutcome,
    Published,
};

/// The stored events: publishing and reading.
#[async_trait]
pub trait EventRepository: Send + Sync + 'static {
    /// Stores events with all their deliveries and returns a result for each, in input order, unless they
    /// would add more than `max_deliveries` deliveries in all.
    ///
    /// 1. MUST commit all events of the batch and all their deliveries in one transaction, and be on disk
    ///    before it returns. (`publish_stores_the_event_and_a_delivery_for_each_subscriber`)
    /// 2. MUST create one delivery for each enabled webhook that [`Webhook::wants`](crate::Webhook::wants)
    ///    the event, however many of its patterns match, and for no other webhook.
    ///    (`publish_reaches_just_those_that_want_it`)
    /// 3. MUST give the delivery the id [`DeliveryId::derive`](crate::DeliveryId::derive) and make it due at
    ///    once. (`publish_stores_the_event_and_a_delivery_for_each_subscriber`)
    /// 4. MUST return the first event for a key that the same project has used before, in this batch or an
    ///    earlier one, and add nothing, however many publish it concurrently. The rest of the batch is not
    ///    affected. (`publish_takes_a_key_once`, `concurrent_publishers_take_a_key_once`)
    /// 5. MUST send a targeted event only to its webhook, whatever that webhook subscribes to.
    ///    (`publish_to_one_webhook_reaches_it_alone`)
    /// 6. MUST wake [`DeliveryQueue::wait_for_work`](super::DeliveryQueue::wait_for_work) in the same process
    ///    when there is something new to deliver. (`publishing_wakes_a_waiting_worker`)
    /// 7. MUST add nothing for an event whose id already exists, as after a call whose response was lost. The
    ///    rest of the batch is not affected. (`publish_takes_an_id_once`)
    /// 8. MUST store nothing if the new deliveries of the events exceed `max_deliveries`, and decide that in
    ///    the same transaction. A repeated key adds no delivery. (`publish_stores_nothing_over_its_limit`)
    /// 9. MUST count [`Published::visible_deliveries`] in the same transaction.
    ///    (`publish_counts_the_visible_deliveries`)
    async fn publish_within(
        &self,
        events: &[NewEvent],
        max_deliveries: u32,
    ) -> Result<PublishOutcome, StoreError>;

    /// Stores events as [`Self::publish_within`] does, without a limit on their deliveries.
    async fn publish(&self, events: &[NewEvent]) -> Result<Vec<Published>, StoreError> {
        match self.publish_within(events, u32::MAX).await? {
            PublishOutcome::Stored(published) => Ok(published),
            PublishOutcome::TooLarge(_) => {
                Err(StoreError::Internal("events were refused without a limit".into()))
            }
        }
    }

    /// Returns one event and the counts of its visible deliveries; `None` if the caller does not see it.
    ///
    /// 1. MUST count all these deliveries by status. (`an_event_tells_what_became_of_it`,
    ///    `events_are_shown_to_their_projects_alone`)
    async fn get(&self, access: &Access, id: EventId) -> Result<Option<EventRecord>, StoreError>;

    /// Returns a page of the visible events, newest first, with the counts of their visible deliveries.
    ///
    /// 1. MUST page without gaps and repetitions while events are added. (`events_are_paged_newest_first`)
    /// 2. MUST apply every given filter. (`events_are_filtered`, `events_are_filtered_by_key_and_command`,
    ///    `the_events_of_a_project_are_listed_whatever_their_types`,
    ///    `events_are_shown_to_their_projects_alone`)
    /// 3. MUST omit the body of an event if it is longer than [`MAX_LISTED_BODY`](crate::MAX_LISTED_BODY),
    ///    and only then. (`a_list_of_events_leaves_out_large_bodies`)
    ///
    /// Like every list query, it MUST stop its work in the database when the call is dropped, and MUST delay
    /// only other list queries. (the stores' own tests)
    async fn list(
        &self,
        access: &Access,
        filter: &EventFilter,
        page: PageRequest<EventId>,
    ) -> Result<Page<EventRecord>, StoreError>;

    /// Counts the deliveries of each event, in input order, to webhooks that the caller sees. A deleted webhook
    /// counts with its last projects.
    ///
    /// 1. MUST count all of these and no others. (`deliveries_are_counted_for_their_projects_alone`)
    async fn count_deliveries(
        &self,
        access: &Access,
        events: &[EventId],
    ) -> Result<Vec<DeliveryCounts>, StoreError>;
}
