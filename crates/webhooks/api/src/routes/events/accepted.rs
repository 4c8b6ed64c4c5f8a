//! The response for an accepted event.

use std::time::Duration;

use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{Access, EventId, Published};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::schema_types as types;

/// How long counting the deliveries of repeated events may take.
const MAX_COUNTING: Duration = Duration::from_secs(2);

/// An accepted event.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedEvent)]
pub(super) struct Accepted {
    #[schema(value_type = types::EventId)]
    id: String,
    /// The number of webhooks that the event goes to.
    deliveries: u32,
}

impl Accepted {
    /// Returns the responses for several events. For a project-scoped caller only visible deliveries are
    /// counted. Those of a repeated event are looked up. The other events are stored by then, so the response
    /// does not depend on the look-up: if it fails, the count is that of the webhooks that would get the
    /// event now.
    pub(super) async fn of(services: &Services, access: &Access, published: &[Published]) -> Vec<Self> {
        let mut accepted: Vec<_> =
            published.iter().map(|one| Self::new(one.id, one.visible_deliveries)).collect();
        let is_repeat = |one: &&Published| one.duplicate && one.deliveries > 0;
        let repeats: Vec<EventId> = published.iter().filter(is_repeat).map(|one| one.id).collect();
        if access.projects.is_some() && !repeats.is_empty() {
            let counting = services.events.count_deliveries(access, &repeats);
            if let Ok(Ok(counts)) = timeout(MAX_COUNTING, counting).await {
                let repeats = published.iter().zip(&mut accepted).filter(|(one, _)| is_repeat(one));
                for ((_, accepted), counts) in repeats.zip(counts) {
                    accepted.deliveries = u32::try_from(counts.total()).unwrap_or(u32::MAX);
                }
            }
        }
        accepted
    }

    fn new(id: EventId, deliveries: u32) -> Self {
        Self { id: id.to_string(), deliveries }
    }
}
