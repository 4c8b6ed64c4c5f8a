//! Whether events are what their types ask.

use std::sync::Arc;

use rdev_webhooks_domain::{ApiKeyId, EventType};
use tokio_util::sync::CancellationToken;

use super::compiled::Usable;
use super::schema::DataSchema;
use super::snapshot::Snapshot;
use super::{Catalogue, CatalogueType};
use crate::{EventDraft, PublishError};

/// How many faults are told of.
const MAX_FAULTS: usize = 100;

/// Up to how much effort a check takes less time than handing it to another thread would be worth.
const INLINE_EFFORT: u64 = 16 * 1_024;
/// How much effort the checks of one call may be: more than those of any single event.
const MAX_EFFORT: u64 = 192 << 20;

/// What is wrong with one of several events, and with which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFault {
    /// Its position among them.
    pub position: usize,
    /// What is wrong with it.
    pub fault: DraftFault,
}

/// What is wrong with an event, beyond its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DraftFault {
    /// Its type is not in the catalogue.
    #[error("`{0}` is not a known event type")]
    UnknownType(EventType),
    /// Its type has a schema that was registered with another version of the program, which understood it.
    #[error("`{0}` has a schema that this version cannot use: register the event type again")]
    UnusableType(EventType),
    /// Its data does not match its type's schema.
    #[error("{detail}")]
    Data {
        /// Where: a JSON pointer into the data.
        pointer: String,
        /// What is wrong there.
        detail: String,
    },
}

impl Catalogue {
    /// Gives the drafts of a key back if they are what their types ask; otherwise tells everything that is wrong
    /// with them, up to a hundred faults. [`Publisher`](crate::Publisher) asks the same; this is for a caller
    /// who has found other faults already and wants to tell all of them at once.
    ///
    /// What takes more than a moment is checked on a thread apart, in turns of the keys. It is abandoned with
    /// the next event once the call is dropped.
    pub async fn vet(
        &self,
        key: Option<ApiKeyId>,
        drafts: Vec<EventDraft>,
    ) -> Result<Vec<EventDraft>, PublishError> {
        if drafts.iter().all(|draft| draft.event_type.is_built_in()) {
            return Ok(drafts);
        }
        let (snapshot, compiled) = (self.snapshot(), Arc::clone(&self.inner.compiled));
        if let Some(checks) = snapshot.checks(&drafts, |name, text| compiled.get(name, text))
            && effort(&drafts, &checks) <= INLINE_EFFORT
        {
            let faults = faults(&drafts, &checks, || false);
            return if faults.is_empty() { Ok(drafts) } else { Err(PublishError::Invalid(faults)) };
        }
        let turn = self.inner.checks.turn(key).await.ok_or(PublishError::Busy)?;
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
                Some(checks) => Ok(faults(&drafts, &checks, || abandoned.is_cancelled())),
            };
            drop(turn);
            match checked {
                Ok(faults) if faults.is_empty() => Ok(drafts),
                Ok(faults) => Err(PublishError::Invalid(faults)),
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
    /// Anything goes.
    Nothing,
    /// By a schema.
    Schema(Arc<DataSchema>),
    /// There is a schema that cannot be used, though it could once.
    Unusable,
    /// There is no such type.
    Unknown,
}

impl Snapshot {
    /// How each of the drafts is checked, by the schemas that `find` finds; none if it does not find one.
    fn checks(
        &self,
        drafts: &[EventDraft],
        find: impl Fn(&EventType, &Arc<str>) -> Option<Usable>,
    ) -> Option<Vec<Check>> {
        let check = |draft: &EventDraft| match self.publishable(&draft.event_type) {
            None => Some(Check::Unknown),
            Some(CatalogueType { schema: None, .. }) => Some(Check::Nothing),
            Some(CatalogueType { name, schema: Some(text), .. }) => {
                Some(find(name, text)?.map_or(Check::Unusable, Check::Schema))
            }
        };
        drafts.iter().map(check).collect()
    }
}

/// How much work the checks may be.
fn effort(drafts: &[EventDraft], checks: &[Check]) -> u64 {
    let efforts = drafts.iter().zip(checks).map(|(draft, check)| match check {
        Check::Schema(schema) => schema.effort(&draft.data),
        _ => 0,
    });
    efforts.fold(0, u64::saturating_add)
}

/// What is wrong with the drafts, as far as it is looked at before it is over.
fn faults(drafts: &[EventDraft], checks: &[Check], is_over: impl Fn() -> bool) -> Vec<EventFault> {
    let mut faults = Vec::new();
    for (position, (draft, check)) in drafts.iter().zip(checks).enumerate() {
        if faults.len() >= MAX_FAULTS || is_over() {
            break;
        }
        let fault = match check {
            Check::Nothing => continue,
            Check::Unknown => DraftFault::UnknownType(draft.event_type.clone()),
            Check::Unusable => DraftFault::UnusableType(draft.event_type.clone()),
            Check::Schema(schema) => {
                let found = schema.check(&draft.data, MAX_FAULTS - faults.len());
                faults.extend(found.into_iter().map(|fault| EventFault { position, fault }));
                continue;
            }
        };
        faults.push(EventFault { position, fault });
    }
    faults
}
