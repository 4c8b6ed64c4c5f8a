//! Events to publish.

use std::fmt::Display;
use std::str::FromStr;

use rdev_webhooks_app::{EventData, EventDraft};
use rdev_webhooks_domain::Timestamp;
use serde::Serialize;

/// An event to publish. Its parts are checked when it is published.
///
/// ```
/// use rdev_webhooks::Event;
///
/// #[derive(serde::Serialize)]
/// struct Order {
///     number: u32,
/// }
///
/// let event = Event::new("order.created").project("shop-1").json(&Order { number: 7 })?;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Event {
    event_type: String,
    project: Option<String>,
    key: Option<String>,
    occurred_at: Option<Timestamp>,
    traceparent: Option<String>,
    data: String,
}

/// A member of an event that is not valid, as in `POST /events`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{member} {detail}")]
#[non_exhaustive]
pub struct InvalidMember {
    /// The member: `event_type`, `project`, `key`, `traceparent` or `data`.
    pub member: &'static str,
    /// What is wrong with it.
    pub detail: String,
}

impl Event {
    /// Creates an event of a registered type, such as `order.created`, whose data is `{}`.
    pub fn new(event_type: impl Into<String>) -> Self {
        Self {
            event_type: event_type.into(),
            project: None,
            key: None,
            occurred_at: None,
            traceparent: None,
            data: "{}".to_owned(),
        }
    }

    /// Sets the project. Without it, the project is the member `project` of the data, if there is one.
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// Sets the producer's own id of the event: within a project, a repeat adds nothing and gets the result of
    /// the first.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets when the event happened; by default, now.
    pub const fn occurred_at(mut self, at: Timestamp) -> Self {
        self.occurred_at = Some(at);
        self
    }

    /// Sets the W3C trace context that the deliveries continue.
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// Sets the data to a value that serializes to an object. It is serialized once, here.
    ///
    /// # Errors
    ///
    /// Fails with the error of the value's serialization.
    pub fn json<T: Serialize + ?Sized>(self, data: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_string(data).map(|data| self.data(data))
    }

    /// Sets the data: the text of a JSON object, which is delivered byte for byte.
    pub fn data(mut self, data: impl Into<String>) -> Self {
        self.data = data.into();
        self
    }

    /// Checks every member.
    pub(crate) fn into_draft(self) -> Result<EventDraft, Vec<InvalidMember>> {
        let mut invalid = Vec::new();
        let event_type = parse("event_type", &self.event_type, &mut invalid);
        let project = self.project.as_deref().map(|text| parse("project", text, &mut invalid));
        let key = self.key.as_deref().map(|text| parse("key", text, &mut invalid));
        let traceparent = self.traceparent.as_deref().map(|text| parse("traceparent", text, &mut invalid));
        let data: Option<EventData> = parse("data", &self.data, &mut invalid);
        match (event_type, data) {
            (Some(event_type), Some(data)) if invalid.is_empty() => Ok(EventDraft {
                event_type,
                timestamp: self.occurred_at,
                key: key.flatten(),
                project: project.flatten().or_else(|| data.project().cloned()),
                data: data.into_string(),
                traceparent: traceparent.flatten(),
            }),
            _ => Err(invalid),
        }
    }
}

fn parse<T>(member: &'static str, text: &str, invalid: &mut Vec<InvalidMember>) -> Option<T>
where
    T: FromStr<Err: Display>,
{
    text.parse()
        .map_err(|error: T::Err| invalid.push(InvalidMember { member, detail: error.to_string() }))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_names_the_project_unless_the_event_does() {
        let project = |event: Event| event.into_draft().unwrap().project.map(|project| project.to_string());
        let event = Event::new("order.created").data(r#"{"project":"shop-1"}"#);
        assert_eq!(project(event.clone()).as_deref(), Some("shop-1"));
        assert_eq!(project(event.project("shop-2")).as_deref(), Some("shop-2"));
        assert_eq!(project(Event::new("order.created")), None);
    }

    #[test]
    fn all_invalid_members_are_reported() {
        let event = Event::new("order created").project(" a").key("a b").traceparent("x").data("[]");
        let members: Vec<_> = event.into_draft().unwrap_err().iter().map(|one| one.member).collect();
        assert_eq!(members, ["event_type", "project", "key", "traceparent", "data"]);
    }
}
