//! The URL and the patterns of a body, whose meaning is checked as well as their form.

use std::collections::BTreeSet;

use rdev_webhooks_app::{EventTypeRegistry, WebhookError, WebhookViolation, Webhooks};
use rdev_webhooks_domain::{EndpointUrl, EventPattern, WebhookSettings};

use crate::routes::event_types::listed;
use rdev_http::Faults;
use rdev_http::Problem;
use rdev_http::members::pointer;

/// The URL and the patterns of a body, as far as they could be read.
pub(super) struct Subscription {
    pub(super) url: Option<EndpointUrl>,
    /// Each pattern has its place in the body's array.
    pub(super) patterns: Vec<(usize, EventPattern)>,
    /// The source of the known event types, for error messages.
    event_types: EventTypeRegistry,
}

impl Subscription {
    pub(super) fn new(event_types: &EventTypeRegistry) -> Self {
        Self { url: None, patterns: Vec::new(), event_types: event_types.clone() }
    }

    /// Returns the patterns without their places.
    pub(super) fn events(&self) -> BTreeSet<EventPattern> {
        self.patterns.iter().map(|(_, pattern)| pattern.clone()).collect()
    }

    /// Returns whether the body names the present URL or the present patterns.
    pub(super) fn repeats(&self, present: &WebhookSettings) -> bool {
        self.url.as_ref() == Some(&present.url) || self.events() == present.events
    }

    /// Fails with all semantic faults.
    pub(super) async fn check(&self, webhooks: &Webhooks) -> Result<(), Problem> {
        let patterns = self.patterns.iter().map(|(_, pattern)| pattern);
        let found = webhooks.validate(self.url.as_ref(), patterns).await;
        let mut faults = Faults::default();
        self.place(&found, &mut faults);
        faults.check()
    }

    /// Adds the semantic faults to the faults of form, so that the response lists all of them.
    pub(super) async fn validate(&self, webhooks: &Webhooks, mut faults: Faults) -> Problem {
        let patterns = self.patterns.iter().map(|(_, pattern)| pattern);
        let found = webhooks.validate(self.url.as_ref(), patterns).await;
        self.place(&found, &mut faults);
        faults.into()
    }

    /// Converts an error of a use case into a problem with the places of the faults in the body.
    pub(super) fn explain(&self, error: WebhookError) -> Problem {
        match error {
            WebhookError::Invalid(found) => {
                let mut faults = Faults::default();
                self.place(&found, &mut faults);
                faults.into()
            }
            other => crate::failure::Failure::from(other).into(),
        }
    }

    fn place(&self, found: &[WebhookViolation], faults: &mut Faults) {
        // A pattern that is given twice may be reported twice, and gets one fault at each place.
        let is_unknown = |pattern: &EventPattern| {
            found.iter().any(|fault| matches!(fault, WebhookViolation::UnknownEvent(it) if it == pattern))
        };
        for (index, pattern) in self.patterns.iter().filter(|(_, pattern)| is_unknown(pattern)) {
            let known = listed(&self.event_types.subscribable());
            let detail = format!("`{pattern}` matches no known event type; known event types: {known}");
            faults.at(pointer("/events", &index.to_string()), detail);
        }
        for fault in found {
            match fault {
                WebhookViolation::Destination(refused) => faults.at("/url", refused),
                WebhookViolation::TooManySubscriptions { .. } => faults.at("/events", fault),
                WebhookViolation::Expired => faults.at("/expires_at", fault),
                WebhookViolation::SecretOfOtherScheme(_) => faults.at("/secret", fault),
                WebhookViolation::UnknownEvent(_) => {}
            }
        }
    }
}
