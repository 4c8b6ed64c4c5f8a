//! What the deliveries of a list wait for.

use rdev_webhooks_app::{Services, Waits};
use rdev_webhooks_domain::{Access, Delivery};

use crate::failure::Failure;

/// Loads the webhooks of the deliveries that wait for an attempt, all at once.
pub(crate) async fn load(
    services: &Services,
    access: &Access,
    deliveries: &[Delivery],
) -> Result<Waits, Failure> {
    let waiting = deliveries.iter().filter(|delivery| delivery.state.next_attempt_at().is_some());
    let ids = waiting.map(|delivery| delivery.webhook_id).collect();
    Ok(services.webhooks.waits(access, ids).await?)
}
