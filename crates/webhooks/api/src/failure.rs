//! Conversion of the errors of use cases and ports into problems.

use rdev_webhooks_app::{
    ApiKeyError, ApiKeyFault, CatalogueError, DraftFault, EventFault, PublishError, ReplayError, SchemaFault,
    WebhookError, WebhookFault,
};
use rdev_webhooks_domain::ports::StoreError;

use crate::body::pointer;
use crate::fault::Faults;
use crate::problem::{Problem, ProblemCode};

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        of_store(&error).caused_by(error)
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Invalid(found) => {
                let mut faults = Faults::default();
                for found in &found {
                    faults.of_event("", found);
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
            PublishError::Busy | PublishError::Stopped => unavailable(
                "Nothing was stored: too many requests are waiting, or the service is stopping. Try again.",
            ),
            // The publisher has logged it once for all affected requests.
            PublishError::Store(cause) => of_store(&cause),
            other => Self::internal().caused_by(other),
        }
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::NotFound => Self::not_found("The webhook was not found."),
            WebhookError::VersionMismatch => Self::version_mismatch(),
            WebhookError::Disabled => webhook_disabled(),
            WebhookError::Invalid(found) => {
                let mut faults = Faults::default();
                for fault in found {
                    let place = match fault {
                        WebhookFault::Destination(_) => "/url",
                        WebhookFault::UnknownEvent(_) | WebhookFault::TooManySubscriptions { .. } => {
                            "/events"
                        }
                    };
                    faults.at(place, fault);
                }
                faults.into()
            }
            WebhookError::Header(name, fault) => {
                let mut faults = Faults::default();
                faults.at(pointer("/headers", &name), fault);
                faults.into()
            }
            WebhookError::Publish(error) => error.into(),
            WebhookError::Store(error) => error.into(),
            other => Self::internal().caused_by(other),
        }
    }
}

impl From<ApiKeyError> for Problem {
    fn from(error: ApiKeyError) -> Self {
        match error {
            ApiKeyError::NotFound => Self::not_found("The API key was not found."),
            ApiKeyError::Invalid(found) => {
                let mut faults = Faults::default();
                for fault in found {
                    faults.at(place_of(fault), fault);
                }
                faults.into()
            }
            ApiKeyError::Store(error) => error.into(),
            other => Self::internal().caused_by(other),
        }
    }
}

impl From<CatalogueError> for Problem {
    fn from(error: CatalogueError) -> Self {
        let conflict = |code| Self::new(code, sentence(&error));
        match error {
            CatalogueError::NotFound => Self::not_found(sentence(&error)),
            CatalogueError::Reserved => {
                let mut faults = Faults::default();
                faults.in_parameter("name", error);
                faults.into()
            }
            CatalogueError::BuiltIn => conflict(ProblemCode::EventTypeBuiltIn),
            CatalogueError::Subscribed => conflict(ProblemCode::EventTypeSubscribed),
            CatalogueError::Full => conflict(ProblemCode::TooManyEventTypes),
            CatalogueError::Schema(found) => {
                let mut faults = Faults::default();
                faults.of_schema(&found);
                faults.into()
            }
            CatalogueError::Store(error) => error.into(),
            other => Self::internal().caused_by(other),
        }
    }
}

impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::NotFound => Self::not_found("The webhook has no such replay."),
            ReplayError::EmptyRange => {
                let mut faults = Faults::default();
                faults.at("/since", "must be in the past: later events are not replayed");
                faults.into()
            }
            ReplayError::WebhookNotFound => WebhookError::NotFound.into(),
            ReplayError::WebhookDisabled => webhook_disabled(),
            ReplayError::AlreadyRunning => {
                let detail = "Another replay of the webhook is running, perhaps one that this API key cannot see. Wait until it \
                     ends, or cancel it with a key that can see it.";
                Self::new(ProblemCode::ReplayRunning, detail)
            }
            ReplayError::Ended => Self::new(ProblemCode::ReplayEnded, "The replay has already ended."),
            ReplayError::Store(error) => error.into(),
            other => Self::internal().caused_by(other),
        }
    }
}

/// Returns the JSON pointer of the member that a fault of an API key concerns.
pub(crate) const fn place_of(fault: ApiKeyFault) -> &'static str {
    match fault {
        ApiKeyFault::NoScope => "/scopes",
        ApiKeyFault::NoProject | ApiKeyFault::LimitedAdministrator => "/projects",
        ApiKeyFault::Expired => "/expires_at",
    }
}

impl Faults {
    /// Records the faults of an event type's schema.
    pub(crate) fn of_schema(&mut self, found: &[SchemaFault]) {
        for fault in found {
            self.at(format!("/schema{}", fault.pointer), &fault.detail);
        }
    }

    /// Records a fault that the catalogue found in the event at `at` in the body.
    pub(crate) fn of_event(&mut self, at: &str, found: &EventFault) {
        match &found.fault {
            DraftFault::Data { pointer, detail } => self.at(format!("{at}/data{pointer}"), detail),
            fault => self.at(format!("{at}/event"), fault),
        }
    }
}

/// Returns an error's text as a sentence.
fn sentence(error: &CatalogueError) -> String {
    let text = error.to_string();
    let mut rest = text.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest).chain(['.']).collect()
}

impl Problem {
    pub(crate) fn version_mismatch() -> Self {
        let detail = "The webhook was changed in the meantime. Get it again and retry with its new ETag.";
        Self::new(ProblemCode::VersionMismatch, detail).in_header("If-Match")
    }
}

fn webhook_disabled() -> Problem {
    Problem::new(ProblemCode::WebhookDisabled, "The webhook is disabled. Enable it first.")
}

fn of_store(error: &StoreError) -> Problem {
    match error {
        StoreError::Unavailable(_) => unavailable(
            "The database did not respond, so the outcome of the request is unknown. Retry with the same \
             Idempotency-Key or the same event id, so that it is not carried out twice.",
        ),
        StoreError::Corrupt { table, column, id, .. } => {
            let detail = format!(
                "{table}.{column} of {id} is damaged in the database and cannot be read. Nothing else is affected."
            );
            Problem::new(ProblemCode::InternalError, detail)
        }
        _ => Problem::internal(),
    }
}

fn unavailable(detail: &'static str) -> Problem {
    Problem::new(ProblemCode::Unavailable, detail)
}
