//! The answer for an event that was taken.

use rdev_webhooks_domain::Published;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Accepted {
    id: String,
    deliveries: u32,
}

impl From<Published> for Accepted {
    fn from(published: Published) -> Self {
        Self { id: published.id.to_string(), deliveries: published.deliveries }
    }
}
