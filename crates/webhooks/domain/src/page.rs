//! Lists: newest first, a page at a time.

use std::collections::BTreeSet;

use crate::ports::StoreError;
use crate::{Delivery, DeliveryId, DeliveryStatus, EventId, EventType, ProjectName, Timestamp, WebhookId};

/// Which page of a list is wanted: the newest `limit` items older than `before`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest<Id> {
    /// How many at the most, at least 1.
    pub limit: u32,
    /// Only items with a smaller id.
    pub before: Option<Id>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// Whether there are older ones.
    pub has_more: bool,
    /// What belongs on the page and cannot be read, newest first.
    pub damaged: Vec<Damaged>,
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The id of what it holds.
    pub id: String,
    /// Where it stands and what is wrong with it, for the log.
    pub cause: String,
}

impl<T> Page<T> {
    /// Makes a page of what a query for `limit + 1` items found.
    #[must_use]
    pub fn of(mut found: Vec<T>, limit: u32) -> Self {
        let has_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        Self { items: found, has_more, damaged: Vec::new() }
    }

    /// Makes a page of the `limit + 1` rows that a query found, which are read one by one: a row that cannot be read
    /// costs itself alone.
    ///
    /// # Errors
    ///
    /// An error that is not of one row.
    pub fn read<R>(
        rows: Vec<R>,
        limit: u32,
        id: impl Fn(&R) -> String,
        read: impl Fn(R) -> Result<T, StoreError>,
    ) -> Result<Self, StoreError> {
        let has_more = rows.len() > limit as usize;
        let mut page = Self { items: Vec::with_capacity(rows.len()), has_more, damaged: Vec::new() };
        for row in rows.into_iter().take(limit as usize) {
            let id = id(&row);
            match read(row) {
                Ok(item) => page.items.push(item),
                Err(error @ StoreError::Corrupt { .. }) => page.damaged.push(Damaged::new(id, &error)),
                Err(error) => return Err(error),
            }
        }
        Ok(page)
    }
}

impl Damaged {
    /// What an error says of a row.
    #[must_use]
    pub fn new(id: String, error: &StoreError) -> Self {
        let cause = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self { id, cause }
    }
}

/// Which webhooks to list. A field that is none does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookFilter {
    /// Those that subscribe to this type, by name or by pattern.
    pub event_type: Option<EventType>,
    /// Those that are enabled, or those that are not.
    pub enabled: Option<bool>,
    /// Those that take this project's events.
    pub project: Option<ProjectName>,
    /// Those that take the events of some of these projects and of nothing else.
    pub visible_to: Option<BTreeSet<ProjectName>>,
}

/// Which events to list. A field that is none does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this type.
    pub event_type: Option<EventType>,
    /// Of this project.
    pub project: Option<ProjectName>,
    /// Accepted at or after.
    pub since: Option<Timestamp>,
    /// Accepted before.
    pub until: Option<Timestamp>,
    /// Of one of these projects; and of their deliveries, those to webhooks that are visible to the same
    /// projects are counted alone.
    pub visible_to: Option<BTreeSet<ProjectName>>,
}

/// Which deliveries to list. A field that is none does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// To this webhook.
    pub webhook: Option<WebhookId>,
    /// Of this event.
    pub event: Option<EventId>,
    /// Of events of this type.
    pub event_type: Option<EventType>,
    /// Of events of this project.
    pub project: Option<ProjectName>,
    /// In this status.
    pub status: Option<DeliveryStatus>,
    /// Of events accepted at or after.
    pub since: Option<Timestamp>,
    /// Of events accepted before.
    pub until: Option<Timestamp>,
    /// Of events of one of these projects, to webhooks that are visible to the same projects. A deleted
    /// webhook counts as it was.
    pub visible_to: Option<BTreeSet<ProjectName>>,
}

impl DeliveryFilter {
    /// Whether a delivery is to be listed, as far as it can tell: whether its webhook is visible is another
    /// question.
    #[must_use]
    pub fn matches(&self, delivery: &Delivery) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, given: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == given)
        }
        is(self.webhook.as_ref(), &delivery.webhook_id)
            && is(self.event.as_ref(), &delivery.event_id)
            && is(self.event_type.as_ref(), &delivery.event_type)
            && is(self.status.as_ref(), &delivery.state.status())
            && (self.project.is_none() || self.project == delivery.project)
            && self.visible_to.as_ref().is_none_or(|visible| {
                delivery.project.as_ref().is_some_and(|project| visible.contains(project))
            })
            && self.since.is_none_or(|since| delivery.id >= DeliveryId::floor(since))
            && self.until.is_none_or(|until| delivery.id < DeliveryId::floor(until))
    }
}
