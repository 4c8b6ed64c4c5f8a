//! The events that a replay of missing events sends.

use std::collections::BTreeSet;

use super::ReplaySelection;
use crate::{EventPattern, EventType, ProjectName};

/// The events that a webhook takes by its subscription as it is now.
#[derive(Debug, Clone)]
pub struct MissingEvents {
    /// The start of an operational event's data, or a later part of it, if it is about the webhook.
    own: String,
    events: BTreeSet<EventPattern>,
    projects: BTreeSet<ProjectName>,
    selected: Option<BTreeSet<ProjectName>>,
}

impl MissingEvents {
    /// Creates it from the webhook's patterns and projects.
    #[must_use]
    pub fn new(
        selection: &ReplaySelection,
        events: BTreeSet<EventPattern>,
        projects: BTreeSet<ProjectName>,
    ) -> Self {
        let own = format!(r#""webhook_id":"{}""#, selection.webhook_id);
        Self { own, events, projects, selected: selection.projects.clone() }
    }

    /// Returns whether a replay takes an event, by its columns: test events never, and operational events only if the
    /// webhook subscribes to them and they are not about it. The body matters for these alone.
    #[must_use]
    pub fn takes(&self, event_type: &str, project: Option<&str>, body: &[u8]) -> bool {
        let Ok(event_type) = event_type.parse::<EventType>() else {
            return false;
        };
        let is_in = |projects: &BTreeSet<ProjectName>| {
            project.is_some_and(|project| projects.iter().any(|one| one.as_str() == project))
        };
        event_type != EventType::webhook_test()
            && self.events.iter().any(|pattern| pattern.matches(&event_type))
            && (self.projects.is_empty() || is_in(&self.projects))
            && self.selected.as_ref().is_none_or(is_in)
            && !(event_type.is_operational() && self.is_own(body))
    }

    fn is_own(&self, body: &[u8]) -> bool {
        body.windows(self.own.len()).any(|part| part == self.own.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReplayStatus, Timestamp, WebhookId};

    #[test]
    fn missing_events_are_those_of_the_subscription() {
        let (since, until) = (Timestamp::EPOCH, Timestamp::from_micros(1));
        let webhook_id = WebhookId::from_parts(since, [1; 10]);
        let missing = |patterns: &[&str], projects: &[&str], selected: Option<&[&str]>| {
            let set =
                |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<BTreeSet<_>>();
            let selection = ReplaySelection {
                webhook_id,
                since,
                until,
                status: ReplayStatus::Missing,
                projects: selected.map(set),
            };
            let patterns = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
            MissingEvents::new(&selection, patterns, set(projects))
        };
        let of_a = missing(&["order.*"], &["a"], None);
        assert!(of_a.takes("order.paid", Some("a"), b"") && !of_a.takes("order.paid", Some("b"), b""));
        assert!(!of_a.takes("order.paid", None, b"") && !of_a.takes("orders.paid", Some("a"), b""));
        let selected = missing(&["*"], &[], Some(&["a"]));
        assert!(selected.takes("order.paid", Some("a"), b"") && !selected.takes("order.paid", None, b""));
        let all = missing(&["*"], &[], None);
        assert!(all.takes("order.paid", None, b"") && !all.takes("webhook.failing", None, b""));
        let reports = missing(&["webhook.*"], &[], None);
        assert!(!reports.takes("webhook.test", None, b"{}"));
        let about = |id: WebhookId| format!(r#"{{"data":{{"webhook_id":"{id}","host":null}}}}"#);
        assert!(!reports.takes("webhook.failing", None, about(webhook_id).as_bytes()));
        let other = WebhookId::from_parts(since, [2; 10]);
        assert!(reports.takes("webhook.failing", None, about(other).as_bytes()));
    }
}
