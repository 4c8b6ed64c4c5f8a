//! The error of a handler, and the problem that each error of the use cases is.

use rdev_access::{ApiKeyError, ApiKeyViolation};
use rdev_webhooks_app::{
    DraftViolation, EventViolation, PublishError, RegistryError, ReplayError, SchemaViolation, WebhookError,
    WebhookViolation,
};

use crate::codes;
use rdev_http::{Faults, Problem, ProblemCode};

rdev_http::failure! {
    /// The error of a handler.
    pub(crate) struct Failure;
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Invalid(found) => {
                let mut faults = Faults::default();
                for found in &found {
                    add_event_fault(&mut faults, "", found);
                }
                faults.into()
            }
            PublishError::TooMany(_) | PublishError::TooMuchWork => {
                let mut faults = Faults::default();
                faults.at("/events", error);
                faults.into()
            }
            PublishError::TooLarge(too_large) => {
                let mut faults = Faults::default();
                faults.at(if too_large.events == 1 { "/event" } else { "/events" }, too_large);
                faults.into()
            }
            PublishError::Busy | PublishError::Stopped => {
                let detail = "Nothing was stored: too many requests are waiting, or the service is stopping. Try again.";
                Problem::new(ProblemCode::UNAVAILABLE, detail).into()
            }
            // The publisher has logged it once for all affected requests.
            PublishError::Store(cause) => Problem::from_store(&cause).into(),
            other => Problem::internal().caused_by(other).into(),
        }
    }
}

impl From<WebhookError> for Failure {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::NotFound => Problem::not_found("The webhook was not found.").into(),
            WebhookError::VersionMismatch => version_mismatch().into(),
            WebhookError::Disabled => webhook_disabled().into(),
            WebhookError::Invalid(found) => {
                let mut faults = Faults::default();
                for fault in found {
                    let place = match fault {
                        WebhookViolation::Destination(_) => "/url",
                        WebhookViolation::UnknownEvent(_) | WebhookViolation::TooManySubscriptions { .. } => {
                            "/events"
                        }
                        WebhookViolation::SecretOfOtherScheme(_) => "/secret",
                        WebhookViolation::Expired => "/expires_at",
                    };
                    faults.at(place, fault);
                }
                faults.into()
            }
            WebhookError::Publish(error) => error.into(),
            WebhookError::Store(error) => error.into(),
            other => Problem::internal().caused_by(other).into(),
        }
    }
}

impl From<ApiKeyError> for Failure {
    fn from(error: ApiKeyError) -> Self {
        match error {
            ApiKeyError::NotFound => Problem::not_found("The API key was not found.").into(),
            ApiKeyError::Invalid(found) => {
                let mut faults = Faults::default();
                for fault in found {
                    faults.at(place_of(fault), fault);
                }
                faults.into()
            }
            ApiKeyError::Store(error) => error.into(),
            other => Problem::internal().caused_by(other).into(),
        }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let conflict = |code| Self(Problem::new(code, sentence(&error)));
        match error {
            RegistryError::NotFound => Problem::not_found(sentence(&error)).into(),
            RegistryError::Reserved => {
                let mut faults = Faults::default();
                faults.in_parameter("name", error);
                faults.into()
            }
            RegistryError::BuiltIn => conflict(codes::EVENT_TYPE_BUILT_IN),
            RegistryError::Subscribed => conflict(codes::EVENT_TYPE_SUBSCRIBED),
            RegistryError::Full => conflict(codes::TOO_MANY_EVENT_TYPES),
            RegistryError::Schema(found) => {
                let mut faults = Faults::default();
                add_schema_faults(&mut faults, &found);
                faults.into()
            }
            RegistryError::TooManyExamples | RegistryError::Examples(_) => {
                let mut faults = Faults::default();
                add_example_faults(&mut faults, &error);
                faults.into()
            }
            RegistryError::Store(error) => error.into(),
            other => Problem::internal().caused_by(other).into(),
        }
    }
}

impl From<ReplayError> for Failure {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::NotFound => Problem::not_found("The webhook has no such replay.").into(),
            ReplayError::EmptyRange => {
                let mut faults = Faults::default();
                faults.at("/since", "must be in the past: later events are not replayed");
                faults.into()
            }
            ReplayError::WebhookNotFound => WebhookError::NotFound.into(),
            ReplayError::WebhookDisabled => webhook_disabled().into(),
            ReplayError::AlreadyRunning => {
                let detail = "Another replay of the webhook is running, perhaps one that this API key cannot see. Wait until it \
                     ends, or cancel it with a key that can see it.";
                Problem::new(codes::REPLAY_RUNNING, detail).into()
            }
            ReplayError::Ended => Problem::new(codes::REPLAY_ENDED, "The replay has already ended.").into(),
            ReplayError::Store(error) => error.into(),
            other => Problem::internal().caused_by(other).into(),
        }
    }
}

/// Returns the JSON pointer of the member that a fault of an API key concerns.
pub(crate) const fn place_of(fault: ApiKeyViolation) -> &'static str {
    match fault {
        ApiKeyViolation::NoScope => "/scopes",
        ApiKeyViolation::NoProject | ApiKeyViolation::LimitedAdministrator => "/projects",
        ApiKeyViolation::Expired => "/expires_at",
    }
}

/// Records the faults of an event type's schema.
pub(crate) fn add_schema_faults(faults: &mut Faults, found: &[SchemaViolation]) {
    for fault in found {
        faults.at(format!("/schema{}", fault.pointer), &fault.detail);
    }
}

/// Records the faults that the registry found in the examples of an event type.
pub(crate) fn add_example_faults(faults: &mut Faults, error: &RegistryError) {
    let RegistryError::Examples(found) = error else {
        faults.at("/examples", error);
        return;
    };
    for (index, violation) in found {
        let pointer = match violation {
            DraftViolation::Data { pointer, .. } => pointer.as_str(),
            _ => "",
        };
        faults.at(format!("/examples/{index}{pointer}"), violation);
    }
}

/// Records a fault that the registry found in the event at `at` in the body.
pub(crate) fn add_event_fault(faults: &mut Faults, at: &str, found: &EventViolation) {
    match &found.violation {
        DraftViolation::Data { pointer, detail } => faults.at(format!("{at}/data{pointer}"), detail),
        fault => faults.at(format!("{at}/event"), fault),
    }
}

/// Returns an error's text as a sentence.
fn sentence(error: &RegistryError) -> String {
    let text = error.to_string();
    let mut rest = text.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest).chain(['.']).collect()
}

pub(crate) fn version_mismatch() -> Problem {
    let detail = "The webhook was changed in the meantime. Get it again and retry with its new ETag.";
    Problem::new(ProblemCode::VERSION_MISMATCH, detail).in_header("If-Match")
}

fn webhook_disabled() -> Problem {
    Problem::new(codes::WEBHOOK_DISABLED, "The webhook is disabled. Enable it first.")
}
