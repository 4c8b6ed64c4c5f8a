//! What is answered of an event that was taken.

use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{Access, EventId, Published};
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi::types;
use crate::problem::Problem;

/// An event that was accepted.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedEvent)]
pub(super) struct Accepted {
    #[schema(value_type = types::EventId)]
    id: String,
    /// How many webhooks it goes to.
    deliveries: u32,
}

impl Accepted {
    /// The answers for several events. Who is limited to projects is told of the deliveries that there are
    /// for him alone, which have to be counted apart.
    pub(super) async fn of(
        services: &Services,
        access: &Access,
        published: &[Published],
    ) -> Result<Vec<Self>, Problem> {
        let has_deliveries = published.iter().any(|one| one.deliveries > 0);
        let Some(projects) = access.projects.as_ref().filter(|_| has_deliveries) else {
            return Ok(published.iter().map(|one| Self::new(one.id, one.deliveries)).collect());
        };
        let ids: Vec<EventId> = published.iter().map(|one| one.id).collect();
        let counts = services.events.count_visible(&ids, projects).await?;
        let totals = counts.iter().map(|counts| u32::try_from(counts.total()).unwrap_or(u32::MAX));
        Ok(ids.into_iter().zip(totals).map(|(id, total)| Self::new(id, total)).collect())
    }

    fn new(id: EventId, deliveries: u32) -> Self {
        Self { id: id.to_string(), deliveries }
    }
}
