//! What a caller of the API may do, and what of it there is for that caller.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::{Event, ProjectName, Replay, Webhook};

/// A part of the API that an API key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Publishing events.
    EventsWrite,
    /// Looking at webhooks, events and deliveries.
    WebhooksRead,
    /// Making, changing and deleting webhooks, and redelivering; includes [`Self::WebhooksRead`].
    WebhooksWrite,
    /// Everything, API keys and the catalogue of event types included.
    Admin,
}

/// Why a text is not a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of events:write, webhooks:read, webhooks:write, admin")]
pub struct ScopeError;

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::EventsWrite, Self::WebhooksRead, Self::WebhooksWrite, Self::Admin];

    /// The name, as in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventsWrite => "events:write",
            Self::WebhooksRead => "webhooks:read",
            Self::WebhooksWrite => "webhooks:write",
            Self::Admin => "admin",
        }
    }

    /// Whether who has this scope may do what `needed` opens.
    #[must_use]
    pub fn includes(self, needed: Self) -> bool {
        self == Self::Admin || self == needed || (self == Self::WebhooksWrite && needed == Self::WebhooksRead)
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(ScopeError)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a caller may do, and whose things there are for it.
///
/// A caller that is limited to projects is shown what belongs to these projects and to no other: events
/// of one of them; webhooks that take the events of some of them and of nothing else; and of these
/// webhooks, the deliveries of these events. Nothing else exists for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// The projects that it is limited to; none for no limit.
    pub projects: Option<BTreeSet<ProjectName>>,
}

impl Access {
    /// Access to everything.
    #[must_use]
    pub fn administrator() -> Self {
        Self { scopes: BTreeSet::from([Scope::Admin]), projects: None }
    }

    /// Whether what `needed` opens may be done.
    #[must_use]
    pub fn allows(&self, needed: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.includes(needed))
    }

    /// Whether there is something of that project for this caller; `None` is the project of an event
    /// that has none.
    #[must_use]
    pub fn sees_project(&self, project: Option<&ProjectName>) -> bool {
        match &self.projects {
            None => true,
            Some(mine) => project.is_some_and(|project| mine.contains(project)),
        }
    }

    /// Whether the event exists for this caller.
    #[must_use]
    pub fn sees_event(&self, event: &Event) -> bool {
        self.sees_project(event.project.as_ref())
    }

    /// Whether the webhook exists for this caller.
    #[must_use]
    pub fn sees_webhook(&self, webhook: &Webhook) -> bool {
        self.projects.as_ref().is_none_or(|mine| webhook.is_visible_to(mine))
    }

    /// Whether a webhook that is limited to these projects, or to none, exists for this caller.
    #[must_use]
    pub fn sees_webhook_of(&self, projects: &BTreeSet<ProjectName>) -> bool {
        self.projects.as_ref().is_none_or(|mine| !projects.is_empty() && projects.is_subset(mine))
    }

    /// Whether a delivery of an event of that project exists for this caller, by the projects that its webhook
    /// is limited to; a webhook that was deleted has none.
    #[must_use]
    pub fn sees_delivery(
        &self,
        project: Option<&ProjectName>,
        webhook: Option<&BTreeSet<ProjectName>>,
    ) -> bool {
        self.projects.is_none()
            || self.sees_project(project) && webhook.is_some_and(|projects| self.sees_webhook_of(projects))
    }

    /// Whether a replay of a webhook that exists for this caller does so too: it may tell of no other
    /// project's deliveries, not even by their number.
    #[must_use]
    pub fn sees_replay(&self, replay: &Replay) -> bool {
        match (&self.projects, &replay.selection.projects) {
            (None, _) => true,
            (Some(mine), Some(replayed)) => replayed.is_subset(mine),
            (Some(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(scopes: &[Scope], projects: Option<&[&str]>) -> Access {
        Access {
            scopes: scopes.iter().copied().collect(),
            projects: projects.map(|names| names.iter().map(|name| name.parse().unwrap()).collect()),
        }
    }

    #[test]
    fn scopes_include_what_they_say() {
        use Scope::{Admin, EventsWrite, WebhooksRead, WebhooksWrite};
        for (has, needed) in [
            (Admin, EventsWrite),
            (Admin, Admin),
            (WebhooksWrite, WebhooksRead),
            (WebhooksRead, WebhooksRead),
            (EventsWrite, EventsWrite),
        ] {
            assert!(access(&[has], None).allows(needed), "{has} {needed}");
        }
        for (has, needed) in [
            (EventsWrite, WebhooksRead),
            (WebhooksWrite, EventsWrite),
            (WebhooksRead, WebhooksWrite),
            (WebhooksWrite, Admin),
        ] {
            assert!(!access(&[has], None).allows(needed), "{has} {needed}");
        }
        assert!(!access(&[], None).allows(WebhooksRead));
    }

    #[test]
    fn who_is_limited_to_projects_sees_nothing_without_a_project() {
        let limited = access(&[Scope::Admin], Some(&["a"]));
        let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
        assert!(limited.sees_project(Some(&a)));
        assert!(!limited.sees_project(Some(&b)));
        assert!(!limited.sees_project(None));
        assert!(Access::administrator().sees_project(None));
    }

    #[test]
    fn who_is_limited_to_projects_sees_replays_of_these_alone() {
        use crate::{DeliveryOutcome, Matched, ReplayId, ReplaySelection, Timestamp, WebhookId};
        let at = Timestamp::EPOCH;
        let replay = |projects: Option<&[&str]>| {
            let selection = ReplaySelection {
                webhook_id: WebhookId::from_parts(at, [1; 10]),
                since: at,
                until: at,
                outcome: DeliveryOutcome::Failed,
                projects: projects.map(|names| names.iter().map(|name| name.parse().unwrap()).collect()),
            };
            let matched = Matched { deliveries: 0, is_exact: true, at };
            Replay::new(ReplayId::from_parts(at, [2; 10]), selection, matched)
        };
        let limited = access(&[Scope::Admin], Some(&["a", "b"]));
        for (projects, is_seen) in
            [(Some(&["a"][..]), true), (Some(&["a", "b"]), true), (Some(&["b", "c"]), false), (None, false)]
        {
            assert_eq!(limited.sees_replay(&replay(projects)), is_seen, "{projects:?}");
            assert!(Access::administrator().sees_replay(&replay(projects)));
        }
    }
}
