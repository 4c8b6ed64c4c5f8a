//! The scopes of this domain, and the visibility of its entities to a project-scoped caller.
//!
//! A project-scoped caller sees the events of its projects, the webhooks that take only events of some of its
//! projects, and the deliveries of these events to these webhooks.

use std::collections::BTreeSet;

use rdev_core::{Access, ProjectName, Scope};

use crate::{Event, Replay, Webhook};

/// The scopes that this domain defines.
pub mod scopes {
    use super::Scope;

    /// Publish events.
    pub const EVENTS_WRITE: Scope = Scope::new("events:write");
    /// Read webhooks, events and deliveries.
    pub const WEBHOOKS_READ: Scope = Scope::new("webhooks:read");
    /// Create, update and delete webhooks, and redeliver; includes [`WEBHOOKS_READ`].
    pub const WEBHOOKS_WRITE: Scope = Scope::new("webhooks:write");

    /// All scopes, in the order of the documentation.
    pub const ALL: [Scope; 4] = [EVENTS_WRITE, WEBHOOKS_READ, WEBHOOKS_WRITE, Scope::ADMIN];
}

impl Event {
    /// Returns whether the caller sees the event.
    #[must_use]
    pub fn is_visible_to(&self, access: &Access) -> bool {
        access.sees_project(self.project.as_ref())
    }
}

impl Webhook {
    /// Returns whether the caller sees the webhook.
    #[must_use]
    pub fn is_visible_to(&self, access: &Access) -> bool {
        sees_webhook_of(access, &self.settings.projects)
    }
}

impl Replay {
    /// Returns whether a caller that sees the webhook also sees the replay. The caller must not learn of
    /// other projects' deliveries, not even their number.
    #[must_use]
    pub fn is_visible_to(&self, access: &Access) -> bool {
        match (&access.projects, &self.selection.projects) {
            (None, _) => true,
            (Some(mine), Some(replayed)) => replayed.is_subset(mine),
            (Some(_), None) => false,
        }
    }
}

/// Returns whether the caller sees a webhook with these projects; an empty set means every project.
#[must_use]
pub fn sees_webhook_of(access: &Access, projects: &BTreeSet<ProjectName>) -> bool {
    access.projects.as_ref().is_none_or(|mine| !projects.is_empty() && projects.is_subset(mine))
}

/// Returns whether the caller sees a delivery, by the event's project and the webhook's projects; `None`
/// stands for a deleted webhook.
#[must_use]
pub fn sees_delivery(
    access: &Access,
    project: Option<&ProjectName>,
    webhook_projects: Option<&BTreeSet<ProjectName>>,
) -> bool {
    access.projects.is_none()
        || access.sees_project(project)
            && webhook_projects.is_some_and(|projects| sees_webhook_of(access, projects))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeliveryOutcome, Matched, ReplayId, ReplaySelection, Timestamp, WebhookId};

    #[test]
    fn a_project_scoped_caller_sees_only_replays_of_its_projects() {
        let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let at = Timestamp::EPOCH;
        let replay = |projects: Option<&[&str]>| {
            let selection = ReplaySelection {
                webhook_id: WebhookId::from_parts(at, [1; 10]),
                since: at,
                until: at,
                status: DeliveryOutcome::Failed.into(),
                projects: projects.map(names),
            };
            let matched = Matched { deliveries: 0, is_exact: true, at };
            Replay::new(ReplayId::from_parts(at, [2; 10]), selection, matched)
        };
        let scoped = Access { scopes: [Scope::ADMIN].into(), projects: Some(names(&["a", "b"])) };
        for (projects, is_seen) in
            [(Some(&["a"][..]), true), (Some(&["a", "b"]), true), (Some(&["b", "c"]), false), (None, false)]
        {
            assert_eq!(replay(projects).is_visible_to(&scoped), is_seen, "{projects:?}");
            assert!(replay(projects).is_visible_to(&Access::administrator()));
        }
    }
}
