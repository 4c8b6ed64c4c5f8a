//! The operations of the API.

mod api_keys;
mod deliveries;
mod event_types;
mod events;
mod health;
mod replays;
mod webhooks;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};

use crate::call::{Call, Operation};
use crate::{Client, Error, Page, Reply};

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

/// Which page of a list.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// The maximum number of items, up to 100; the service's default is 20.
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl PageRequest {
    pub(crate) fn add_to(&self, query: &mut Query) {
        query.add("limit", self.limit.as_ref());
        query.add("cursor", self.cursor.as_ref());
    }
}

/// The query of a call.
#[derive(Debug, Default)]
pub(crate) struct Query(pub(crate) Vec<(String, String)>);

impl Query {
    /// Adds a parameter, if it has a value.
    pub(crate) fn add(&mut self, name: &str, value: Option<&impl ToString>) {
        if let Some(value) = value {
            self.0.push((name.to_owned(), value.to_string()));
        }
    }
}

impl Client {
    async fn list<T: DeserializeOwned>(
        &self,
        operation: &Operation,
        arguments: &[&str],
        mut query: Query,
        page: &PageRequest,
    ) -> Result<Reply<Page<T>>, Error> {
        page.add_to(&mut query);
        self.send(Call::new(operation, arguments)?.query(&query.0)).await
    }

    /// Sends a call without a body, or with an empty one.
    async fn plain<T: DeserializeOwned>(
        &self,
        operation: &Operation,
        arguments: &[&str],
    ) -> Result<Reply<T>, Error> {
        self.send(Call::new(operation, arguments)?).await
    }
}

/// Serializes a value to keep it byte for byte.
fn raw(value: &(impl Serialize + ?Sized)) -> Result<Box<RawValue>, Error> {
    to_raw_value(value).map_err(|error| Error::Invalid(error.to_string()))
}
