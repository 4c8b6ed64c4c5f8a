//! Events.

use http::Method;
use serde::Serialize;
use serde_json::value::RawValue;

use super::raw;
use rdev_client::{Call, Error, Live, Operation, Page, PageRequest, Query, Reply};

use crate::{AcceptedEvent, AcceptedEvents, Client, Event, FeedEvent};

const LIST: Operation = Operation { id: "listEvents", method: Method::GET, path: "/events" };
const PUBLISH: Operation = Operation { id: "publishEvent", method: Method::POST, path: "/events" };
const BATCH: Operation = Operation { id: "publishEvents", method: Method::POST, path: "/events/batch" };
const FEED: Operation = Operation { id: "readEventFeed", method: Method::GET, path: "/events/feed" };
const GET: Operation = Operation { id: "getEvent", method: Method::GET, path: "/events/{id}" };
#[cfg(test)]
pub(crate) const ALL: &[&Operation] = &[&LIST, &PUBLISH, &BATCH, &FEED, &GET];

/// An event to publish.
#[derive(Debug, Clone, Serialize)]
pub struct NewEvent {
    /// The event type.
    pub event: String,
    /// When it happened, by RFC 3339; without it, now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// The producer's own key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The data, which receivers get byte for byte.
    pub data: Box<RawValue>,
}

impl NewEvent {
    /// Creates an event that happens now. `data` must be an object.
    ///
    /// # Errors
    /// Fails if `data` cannot be serialized.
    pub fn new(event: impl Into<String>, data: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        Ok(Self { event: event.into(), timestamp: None, id: None, data: raw(data)? })
    }
}

/// A batch of events.
#[derive(Debug, Serialize)]
pub(crate) struct Batch<'a> {
    pub(crate) events: &'a [NewEvent],
}

/// Which events. Every member narrows the selection.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// The event type.
    pub event: Option<String>,
    /// The project.
    pub project: Option<String>,
    /// Accepted at this time or later, by RFC 3339.
    pub since: Option<String>,
    /// Accepted before this time, by RFC 3339.
    pub until: Option<String>,
    /// The producer's own key.
    pub key: Option<String>,
    /// The member `command_id` of the data.
    pub command_id: Option<String>,
}

impl EventFilter {
    pub(crate) fn query(&self) -> Query {
        let mut query = Query::default();
        query.add("event", self.event.as_ref());
        query.add("project", self.project.as_ref());
        query.add("since", self.since.as_ref());
        query.add("until", self.until.as_ref());
        query.add("key", self.key.as_ref());
        query.add("data.command_id", self.command_id.as_ref());
        query
    }
}

/// Which events of the feed.
#[derive(Debug, Clone, Default)]
pub struct FeedFilter {
    /// The event type.
    pub event: Option<String>,
    /// The project.
    pub project: Option<String>,
}

impl FeedFilter {
    pub(crate) fn query(&self) -> Query {
        let mut query = Query::default();
        query.add("event", self.event.as_ref());
        query.add("project", self.project.as_ref());
        query
    }
}

impl Client {
    /// Publishes an event.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn publish_event(&self, event: &NewEvent) -> Result<Reply<AcceptedEvent>, Error> {
        self.0.send(Call::new(&PUBLISH, &[])?.json(event)?).await
    }

    /// Publishes up to 1,000 events, all or none.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn publish_events(&self, events: &[NewEvent]) -> Result<Reply<AcceptedEvents>, Error> {
        self.0.send(Call::new(&BATCH, &[])?.json(&Batch { events })?).await
    }

    /// Lists events, newest first.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_events(
        &self,
        filter: &EventFilter,
        page: &PageRequest,
    ) -> Result<Reply<Page<Event>>, Error> {
        self.0.list(&LIST, &[], filter.query(), page).await
    }

    /// Returns an event with its first deliveries.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn get_event(&self, id: &str) -> Result<Reply<Event>, Error> {
        self.0.plain(&GET, &[id]).await
    }

    /// Reads a page of the event feed, oldest first: after a cursor, after `now`, or without `after` from the
    /// oldest kept event.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn read_feed(
        &self,
        filter: &FeedFilter,
        after: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Reply<Page<FeedEvent>>, Error> {
        let mut query = filter.query();
        query.add("after", after.map(str::to_owned).as_ref());
        query.add("limit", limit.as_ref());
        self.0.send(Call::new(&FEED, &[])?.query(&query)).await
    }

    /// Returns the event feed live: the events after a cursor, and then those that come. Without a cursor from
    /// the oldest kept event; [`Self::read_feed`] after `now` returns the cursor of the present.
    ///
    /// # Errors
    /// Fails if the filter is invalid.
    pub fn follow_feed(&self, filter: &FeedFilter, cursor: Option<String>) -> Result<Live<FeedEvent>, Error> {
        let call = Call::new(&FEED, &[])?.query(&filter.query());
        Ok(self.0.stream(call, cursor))
    }
}
