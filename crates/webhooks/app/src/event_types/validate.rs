//! Checks events against their types.

use std::sync::Arc;

use rdev_webhooks_domain::{ApiKeyId, EventType};
use tokio_util::sync::CancellationToken;

use super::compiled::Usable;
use super::schema::DataSchema;
use super::snapshot::Snapshot;
use super::{EventTypeCatalog, EventTypeDefinition, EventTypeRegistry};
use crate::{EventDraft, PublishError};

/// The maximum number of reported violations.
const MAX_VIOLATIONS: usize = 100;

/// The effort up to which a check takes less time than handing it to another thread.
const INLINE_EFFORT: u64 = 16 * 1_024;
/// The maximum effort of the checks of one call: more than that of any single event.
const MAX_EFFORT: u64 = 192 << 20;

/// A violation in one of several events.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventViolation {
    /// The position of the event.
    pub position: usize,
    /// The violation.
    pub violation: DraftViolation,
}

/// A violation in an event, beyond its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DraftViolation {
    /// The type does not exist.
    #[error("`{0}` is not a known event type")]
    UnknownType(EventType),
    /// The type has a schema that was registered with another version of the program, which could use it.
    #[error("`{0}` has a schema that this version cannot use: register the event type again")]
    UnusableType(EventType),
    /// The data does not match the schema of the type.
    #[error("{detail}")]
    Data {
        /// The place: a JSON pointer into the data.
        pointer: String,
        /// The violation.
        detail: String,
    },
}

impl EventTypeRegistry {
    /// Returns the drafts of a key if they match their types, as [`EventTypeCatalog::validate`] does.
    pub async fn validate(
        &self,
        key: Option<ApiKeyId>,
        drafts: Vec<EventDraft>,
    ) -> Result<Vec<EventDraft>, PublishError> {
        self.catalog().validate(key, drafts).await
    }
}

impl EventTypeCatalog {
    /// Returns the drafts of a key if they match their types; otherwise fails with all violations, up to a
    /// hundred. [`Publisher`](crate::Publisher) makes the same check; this is for a caller who has found
    /// other violations and wants to report all at once.
    ///
    /// A check that takes more than a moment runs on another thread, in turns of the keys. If the call is
    /// dropped, the check ends before the next event.
    pub async fn validate(
        &self,
        key: Option<ApiKeyId>,
        drafts: Vec<EventDraft>,
    ) -> Result<Vec<EventDraft>, PublishError> {
        if drafts.iter().all(|draft| draft.event_type.is_built_in()) {
            return Ok(drafts);
        }
        let (snapshot, compiled) = (self.snapshot(), self.compiled());
        if let Some(checks) = snapshot.checks(&drafts, |name, text| compiled.get(name, text))
            && effort(&drafts, &checks) <= INLINE_EFFORT
        {
            let violations = violations(&drafts, &checks, || false);
            return if violations.is_empty() { Ok(drafts) } else { Err(PublishError::Invalid(violations)) };
        }
        let turn = self.checks().turn(key).await.ok_or(PublishError::Busy)?;
        let abandoned = CancellationToken::new();
        let _abandons = abandoned.clone().drop_guard();
        let checking = tokio::task::spawn_blocking(move || {
            let compile = |name: &_, text: &_| {
                let is_over = abandoned.is_cancelled();
                (!is_over).then(|| compiled.get_or_compile(name, text))
            };
            let checked = match snapshot.checks(&drafts, compile) {
                None => Err(PublishError::Stopped),
                Some(checks) if effort(&drafts, &checks) > MAX_EFFORT => Err(PublishError::TooMuchWork),
                Some(checks) => Ok(violations(&drafts, &checks, || abandoned.is_cancelled())),
            };
            drop(turn);
            match checked {
                Ok(violations) if violations.is_empty() => Ok(drafts),
                Ok(violations) => Err(PublishError::Invalid(violations)),
                Err(error) => Err(error),
            }
        });
        match checking.await {
            Ok(checked) => checked,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(PublishError::Stopped),
            },
        }
    }
}

/// How the data of an event is checked.
enum Check {
    /// Any data is valid.
    Nothing,
    /// The data must match a schema.
    Schema(Arc<DataSchema>),
    /// The schema can no longer be used.
    Unusable,
    /// The type does not exist.
    Unknown,
}

impl Snapshot {
    /// Returns how each of the drafts is checked, by the schemas that `find` returns; `None` if it returns
    /// none.
    fn checks(
        &self,
        drafts: &[EventDraft],
        find: impl Fn(&EventType, &Arc<str>) -> Option<Usable>,
    ) -> Option<Vec<Check>> {
        let check = |draft: &EventDraft| match self.publishable(&draft.event_type) {
            None => Some(Check::Unknown),
            Some(EventTypeDefinition { schema: None, .. }) => Some(Check::Nothing),
            Some(EventTypeDefinition { name, schema: Some(text), .. }) => {
                Some(find(name, text)?.map_or(Check::Unusable, Check::Schema))
            }
        };
        drafts.iter().map(check).collect()
    }
}

/// Returns the maximum work of the checks.
fn effort(drafts: &[EventDraft], checks: &[Check]) -> u64 {
    let efforts = drafts.iter().zip(checks).map(|(draft, check)| match check {
        Check::Schema(schema) => schema.effort(&draft.data),
        _ => 0,
    });
    efforts.fold(0, u64::saturating_add)
}

/// Returns the violations of the drafts that are found until `is_over`.
fn violations(drafts: &[EventDraft], checks: &[Check], is_over: impl Fn() -> bool) -> Vec<EventViolation> {
    let mut violations = Vec::new();
    for (position, (draft, check)) in drafts.iter().zip(checks).enumerate() {
        if violations.len() >= MAX_VIOLATIONS || is_over() {
            break;
        }
        let violation = match check {
            Check::Nothing => continue,
            Check::Unknown => DraftViolation::UnknownType(draft.event_type.clone()),
            Check::Unusable => DraftViolation::UnusableType(draft.event_type.clone()),
            Check::Schema(schema) => {
                let found = schema.check(&draft.data, MAX_VIOLATIONS - violations.len());
                violations.extend(found.into_iter().map(|violation| EventViolation { position, violation }));
                continue;
            }
        };
        violations.push(EventViolation { position, violation });
    }
    violations
}
