//! Unreadable rows: each affects only itself, and is logged once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rdev_webhooks_domain::Damaged;
use rdev_webhooks_domain::ports::StoreError;

/// Maximum number of rows remembered as logged.
const MAX_LOGGED: usize = 1_000;

/// The rows that this process has logged.
static LOGGED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Logs the fault of a row, once.
pub fn log(error: &StoreError) {
    let cause = Damaged::new(String::new(), error).cause;
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    if logged.len() < MAX_LOGGED && logged.insert(cause.clone()) {
        tracing::error!(error = %cause, "damaged row omitted");
    }
}

/// Returns the row, or `None` and a log entry if it cannot be read.
pub fn leave_out<T>(read: Result<T, StoreError>) -> Option<T> {
    read.inspect_err(log).ok()
}
