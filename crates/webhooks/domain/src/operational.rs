//! Operational events, which the service itself publishes.

use std::collections::BTreeSet;

use crate::{
    DisabledReason, EventId, EventType, NewEvent, ProjectName, Target, Timestamp, WebhookId, render_body,
};

/// A webhook that the service has disabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisabledWebhook {
    /// The id.
    pub id: WebhookId,
    /// The version that the disabling gave it.
    pub version: u64,
    /// The projects of the webhook; empty if it takes the events of every project, or if they cannot be read.
    pub projects: BTreeSet<ProjectName>,
    /// The reason.
    pub reason: DisabledReason,
    /// When it was disabled.
    pub since: Timestamp,
    /// When the current series of failed attempts began, if one is recorded.
    pub failing_since: Option<Timestamp>,
}

impl DisabledWebhook {
    /// Returns the event [`webhook.disabled`](EventType::webhook_disabled), which a store adds in the
    /// transaction that disables the webhook.
    #[must_use]
    pub fn event(&self) -> NewEvent {
        let Self { id, version, reason, since, failing_since, .. } = self;
        let failing_since = failing_since.map_or_else(|| "null".to_owned(), |at| format!("\"{at}\""));
        let data = format!(
            r#"{{"webhook_id":"{id}","reason":"{}","disabled_at":"{since}","failing_since":{failing_since}}}"#,
            reason.as_str()
        );
        let event_type = EventType::webhook_disabled();
        NewEvent {
            id: EventId::of_disabling(*id, *version, *since),
            key: None,
            body: render_body(&event_type, *since, &data),
            event_type,
            // An event has one project: the event of a webhook with several would be hidden from all but
            // one of them.
            project: self.projects.first().filter(|_| self.projects.len() == 1).cloned(),
            timestamp: *since,
            traceparent: None,
            target: Target::Subscribers,
            producer: None,
        }
    }
}
