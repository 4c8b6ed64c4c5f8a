//! What the pools know of the database's readiness.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::error::is_out_of_space;

/// The known state of the database, besides the pools' knowledge of its connections.
#[derive(Default)]
pub(crate) struct Readiness {
    /// When the last check succeeded.
    checked: Mutex<Option<Instant>>,
    /// Whether a statement found the server's disk full.
    pub(crate) out_of_space: AtomicBool,
}

impl Readiness {
    /// Records the error of a failed statement.
    pub(crate) fn note(&self, error: &sqlx::Error) {
        if is_out_of_space(error) {
            self.out_of_space.store(true, Ordering::Relaxed);
        }
        *self.checked() = None;
    }

    /// Records that a statement got no connection.
    pub(crate) fn note_unreachable(&self) {
        *self.checked() = None;
    }

    /// Returns when the last check succeeded.
    pub(crate) fn checked(&self) -> MutexGuard<'_, Option<Instant>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
