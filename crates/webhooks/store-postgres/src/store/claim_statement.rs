//! The claiming statement, `queue/claim.sql`, with the name of the partition from which it reads the events' bodies.
//!
//! A statement on a partitioned table opens every partition each time it runs, even if it needs only one;
//! with a month of days that costs more than the rest of a claim. Nearly all claimed deliveries were
//! published the same day. Therefore a claim names one partition, the one with most events of the last claim,
//! and looks up the missing events afterwards.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const STATEMENT: &str = include_str!("../queue/claim.sql");

/// The partition that [`STATEMENT`] names: it always exists, and is usually empty.
const DEFAULT_PARTITION: &str = "rdev_webhooks.events_default";

/// The claiming statement, with the name of its partition.
#[derive(Debug)]
pub(crate) struct ClaimStatement(Mutex<Arc<str>>);

impl Default for ClaimStatement {
    fn default() -> Self {
        Self(Mutex::new(STATEMENT.into()))
    }
}

impl ClaimStatement {
    pub(crate) fn text(&self) -> Arc<str> {
        Arc::clone(&self.lock())
    }

    /// Returns to the partition that always exists.
    pub(crate) fn forget_partition(&self) {
        *self.lock() = STATEMENT.into();
    }

    /// Uses a partition, given as an identifier in the schema, as SQL quotes it.
    pub(crate) fn use_partition(&self, partition: &str) {
        *self.lock() = STATEMENT.replace(DEFAULT_PARTITION, &format!("rdev_webhooks.{partition}")).into();
    }

    fn lock(&self) -> MutexGuard<'_, Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
