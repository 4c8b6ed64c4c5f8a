//! The events of an open transaction.

use bytes::Bytes;
use rdev_webhooks::{ConnectionRef, PublishConnection};
use rdev_webhooks_domain::{EventId, NewEvent, Target, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::row::Row;

/// An event that was published in a transaction.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PublishedEvent {
    /// The id, which receivers get as `webhook-id`.
    pub id: EventId,
    /// The event type.
    pub event_type: String,
    /// The project.
    pub project: Option<String>,
    /// The producer's own key.
    pub key: Option<String>,
    /// The data, byte for byte as receivers get it.
    pub data: String,
    pub(crate) event: NewEvent,
}

impl PublishedEvent {
    /// Returns the data as a value of a type.
    ///
    /// # Panics
    ///
    /// Panics if the data is no such value.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.data).expect("the data is a value of this type")
    }
}

/// Returns the events that a transaction has published and not yet committed, in the order of their ids, which is
/// that of publishing except within a millisecond. An event of a repeated [key](rdev_webhooks::Event::key), which adds
/// nothing, is not among them, and neither is one that was rolled back to a savepoint.
///
/// On Postgres the connection's role needs the right to read `rdev_webhooks.events`. On SQLite the database must be a
/// file.
///
/// # Panics
///
/// Panics with the error of the database.
pub async fn published_in<C: PublishConnection + ?Sized>(conn: &mut C) -> Vec<PublishedEvent> {
    let rows = match conn.as_ref_mut() {
        #[cfg(feature = "postgres")]
        ConnectionRef::Postgres(conn) => crate::postgres::published(conn).await,
        #[cfg(feature = "sqlite")]
        ConnectionRef::Sqlite(conn) => crate::sqlite::published(conn).await,
        #[allow(unreachable_patterns, reason = "the library may know a database that this crate does not")]
        _ => panic!("rdev-webhooks-testing lacks the feature of this database"),
    };
    let rows = rows.expect("the published events can be read");
    rows.into_iter().map(PublishedEvent::from).collect()
}

/// The part of a body that the producer has given.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

impl From<Row> for PublishedEvent {
    fn from(row: Row) -> Self {
        const STORED: &str = "a stored event is valid";
        let body: Body<'_> = serde_json::from_slice(&row.body).expect(STORED);
        let data = body.data.get().to_owned();
        let id = EventId::from_uuid(Uuid::from_slice(&row.id).expect(STORED));
        let event = NewEvent {
            id,
            key: row.key.as_deref().map(|text| text.parse().expect(STORED)),
            event_type: row.event_type.parse().expect(STORED),
            project: row.project.as_deref().map(|text| text.parse().expect(STORED)),
            timestamp: Timestamp::from_micros(row.timestamp),
            body: Bytes::from(row.body),
            traceparent: row.traceparent.as_deref().map(|text| text.parse().expect(STORED)),
            target: Target::Subscribers,
            producer: None,
        };
        Self { id, event_type: row.event_type, project: row.project, key: row.key, data, event }
    }
}
