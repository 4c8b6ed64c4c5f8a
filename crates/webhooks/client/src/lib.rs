//! A client of the REST API of rdev webhooks.
//!
//! ```no_run
//! use rdev_webhooks_client::{Client, DeliveryFilter, NewEvent, NewWebhook, PageRequest};
//!
//! # async fn run(key: String) -> Result<(), rdev_webhooks_client::Error> {
//! let client = Client::builder("http://127.0.0.1:8080").api_key(key).build()?;
//! let webhook = client.create_webhook(&NewWebhook::new("https://example.com/hook", ["command.*"])).await?;
//! println!("{} signs with {}", webhook.id, webhook.secret.as_deref().unwrap_or_default());
//!
//! let data = serde_json::json!({"command_id": "cmd-123", "project": "my-project"});
//! let accepted = client.publish_event(&NewEvent::new("command.completed", &data)?).await?;
//! let filter = DeliveryFilter { event: Some(accepted.id.clone()), ..DeliveryFilter::default() };
//! for delivery in &client.list_deliveries(&filter, &PageRequest::default()).await?.data {
//!     println!("{} is {}", delivery.id, delivery.status);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Retries
//!
//! A call is repeated after 429, 503, a refused or broken connection and a timeout, at most
//! [`MAX_ATTEMPTS`] times in all and within the client's deadline. `Retry-After` is honoured. Each call that
//! writes has one idempotency key for all its attempts, so the service carries it out once.
//!
//! # Responses
//!
//! A response is a [`Reply`]: the typed value, and the JSON as the service sent it. Members that this version
//! does not know are in the JSON. Ids, statuses and the like are strings, because later versions of the service
//! may add values.

mod management;
mod operations;
mod statistics;
mod views;

#[cfg(test)]
mod description_tests;

pub use management::*;
pub use operations::{
    ApiKeyRequest, DeliveryFilter, EventFilter, EventTypeRequest, FeedFilter, NewEvent, NewReplay,
    NewWebhook, RetryRequest, Rotation, StreamFilter, WebhookFilter, WebhookPatch,
};
pub use rdev_client::{
    Builder, Connection, Error, Fault, Live, MAX_ATTEMPTS, Page, PageRequest, Problem, Reply, Signal,
    random_key,
};
pub use statistics::*;
pub use views::*;

rdev_client::client!("rdev-webhooks-client");
