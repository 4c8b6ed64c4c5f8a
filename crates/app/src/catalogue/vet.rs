//! Whether events are what their types ask.

use rdev_webhooks_domain::EventType;

use super::Catalogue;
use super::snapshot::{Check, Snapshot};
use crate::{EventDraft, PublishError};

/// How many faults are told of.
const MAX_FAULTS: usize = 100;

/// Up to how much effort a check takes less time than handing it to another thread would be worth.
const INLINE_EFFORT: u64 = 64 * 1_024;

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
    #[error("`{0}` has a schema that is not understood any more: it must be registered again")]
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
    /// Gives the drafts back if they are what their types ask; otherwise tells everything that is wrong with
    /// them, up to a hundred faults. [`Publisher`](crate::Publisher) asks the same; this is for a caller who
    /// has found other faults already and wants to tell all of them at once.
    pub async fn vet(&self, drafts: Vec<EventDraft>) -> Result<Vec<EventDraft>, PublishError> {
        if drafts.iter().all(|draft| draft.event_type.is_built_in()) {
            return Ok(drafts);
        }
        let snapshot = self.snapshot();
        let effort = drafts.iter().map(|draft| snapshot.effort(draft)).fold(0, u64::saturating_add);
        let (drafts, faults) = if effort <= INLINE_EFFORT {
            let faults = snapshot.faults(&drafts);
            (drafts, faults)
        } else {
            let permit = self.inner.checks.clone().acquire_owned().await;
            let checking = tokio::task::spawn_blocking(move || {
                let faults = snapshot.faults(&drafts);
                drop(permit);
                (drafts, faults)
            });
            match checking.await {
                Ok(checked) => checked,
                Err(failed) => match failed.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => return Err(PublishError::Stopped),
                },
            }
        };
        if faults.is_empty() { Ok(drafts) } else { Err(PublishError::Invalid(faults)) }
    }
}

impl Snapshot {
    fn effort(&self, draft: &EventDraft) -> u64 {
        match self.publishable(&draft.event_type).map(|entry| &entry.check) {
            Some(Check::Schema(schema)) => schema.effort(&draft.data),
            _ => 0,
        }
    }

    fn faults(&self, drafts: &[EventDraft]) -> Vec<EventFault> {
        let mut faults = Vec::new();
        for (position, draft) in drafts.iter().enumerate() {
            match self.publishable(&draft.event_type).map(|entry| &entry.check) {
                Some(Check::Nothing) => {}
                None => {
                    let fault = DraftFault::UnknownType(draft.event_type.clone());
                    faults.push(EventFault { position, fault });
                }
                Some(Check::Unusable) => {
                    let fault = DraftFault::UnusableType(draft.event_type.clone());
                    faults.push(EventFault { position, fault });
                }
                Some(Check::Schema(schema)) => {
                    let found = schema.check(&draft.data, MAX_FAULTS - faults.len());
                    faults.extend(found.into_iter().map(|fault| EventFault { position, fault }));
                }
            }
            if faults.len() >= MAX_FAULTS {
                break;
            }
        }
        faults
    }
}
