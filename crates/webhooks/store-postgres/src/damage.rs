//! Rows that cannot be read: each costs itself alone, and is logged once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rdev_webhooks_domain::Damaged;
use rdev_webhooks_domain::ports::StoreError;

/// More than this many are not remembered.
const MAX_LOGGED: usize = 1_000;

/// What this process has logged.
static LOGGED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Logs what is wrong with a row, once.
pub(crate) fn log(error: &StoreError) {
    let cause = Damaged::new(String::new(), error).cause;
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    if logged.len() < MAX_LOGGED && logged.insert(cause.clone()) {
        tracing::error!(error = %cause, "damaged row omitted");
    }
}

/// Leaves out what cannot be read.
pub(crate) fn leave_out<T>(read: Result<T, StoreError>) -> Option<T> {
    read.inspect_err(log).ok()
}
