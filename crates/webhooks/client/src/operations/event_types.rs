//! Event types.

use http::Method;
use serde::Serialize;
use serde_json::value::RawValue;

use rdev_client::{Call, Error, Operation, Page, PageRequest, Query, Reply};

use crate::{Client, EventType};

const LIST: Operation = Operation { id: "listEventTypes", method: Method::GET, path: "/event-types" };
const GET: Operation = Operation { id: "getEventType", method: Method::GET, path: "/event-types/{name}" };
const PUT: Operation = Operation { id: "putEventType", method: Method::PUT, path: "/event-types/{name}" };
const DELETE: Operation =
    Operation { id: "deleteEventType", method: Method::DELETE, path: "/event-types/{name}" };
#[cfg(test)]
pub(crate) const ALL: &[&Operation] = &[&LIST, &GET, &PUT, &DELETE];

/// The definition of an event type.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EventTypeRequest {
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Box<RawValue>>,
    /// Examples of the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub examples: Option<Vec<Box<RawValue>>>,
}

impl Client {
    /// Lists the event types.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_event_types(&self, page: &PageRequest) -> Result<Reply<Page<EventType>>, Error> {
        self.0.list(&LIST, &[], Query::default(), page).await
    }

    /// Returns an event type.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn get_event_type(&self, name: &str) -> Result<Reply<EventType>, Error> {
        self.0.plain(&GET, &[name]).await
    }

    /// Registers or replaces an event type.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn put_event_type(
        &self,
        name: &str,
        definition: &EventTypeRequest,
    ) -> Result<Reply<EventType>, Error> {
        self.0.send(Call::new(&PUT, &[name])?.json(definition)?).await
    }

    /// Deletes an event type.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn delete_event_type(&self, name: &str) -> Result<(), Error> {
        self.0.send_delete(Call::new(&DELETE, &[name])?).await
    }
}
