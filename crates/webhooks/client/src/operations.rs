//! The operations of the API.

mod api_keys;
mod deliveries;
mod event_types;
mod events;
mod health;
mod replays;
mod webhooks;

use rdev_client::Error;
#[cfg(test)]
use rdev_client::Operation;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

pub use api_keys::ApiKeyRequest;
pub use deliveries::{DeliveryFilter, StreamFilter};
pub use event_types::EventTypeRequest;
pub use events::{EventFilter, FeedFilter, NewEvent};
pub use replays::NewReplay;
pub use webhooks::{NewWebhook, RetryRequest, Rotation, WebhookFilter, WebhookPatch};

/// Every operation that the client has.
#[cfg(test)]
pub(crate) const ALL: &[&[&Operation]] = &[
    api_keys::ALL,
    deliveries::ALL,
    event_types::ALL,
    events::ALL,
    health::ALL,
    replays::ALL,
    webhooks::ALL,
];

/// Serializes a value to keep it byte for byte.
fn raw(value: &(impl Serialize + ?Sized)) -> Result<Box<RawValue>, Error> {
    to_raw_value(value).map_err(|error| Error::Invalid(error.to_string()))
}
