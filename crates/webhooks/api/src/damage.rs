//! What is damaged in the database.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rdev_webhooks_domain::Damaged;

/// More than this many are not remembered.
const MAX_LOGGED: usize = 1_000;

/// What this process has logged.
static LOGGED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Logs what a list leaves out, each once.
pub(crate) fn log(damaged: &[Damaged]) {
    for one in damaged {
        let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() < MAX_LOGGED && logged.insert(one.cause.clone()) {
            tracing::error!(id = %one.id, error = %one.cause, "damaged row omitted from lists");
        }
    }
}
