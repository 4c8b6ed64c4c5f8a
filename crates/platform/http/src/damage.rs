//! Logging of damaged rows in the database.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rdev_core::Damaged;

/// Maximum number of remembered ids.
const MAX_LOGGED: usize = 1_000;

/// The ids that this process has logged.
static LOGGED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Logs the items that a list omits, each once.
pub(crate) fn log(damaged: &[Damaged]) {
    for one in damaged {
        let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() < MAX_LOGGED && logged.insert(one.cause.clone()) {
            tracing::error!(id = %one.id, error = %one.cause, "damaged row omitted from lists");
        }
    }
}
