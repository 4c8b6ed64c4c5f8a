//! Requests under an idempotency key: executed once, and answered the same again.
//!
//! A process may die between the start of an operation and the record of its response; then it is unknown
//! what was done. When the request is repeated, the operation runs again with its first inputs: its time,
//! and a seed from which its ids and secrets are derived. So it creates the same ids and the same secrets,
//! finds what it created before, and gives the same response. The use cases take these inputs as [`Ids`].

mod ids;

use std::sync::Arc;
use std::time::Duration;

use rdev_app::{Ambient, Outages};
use rdev_core::{IdempotencyKey, LeaseToken, StoreError};

use crate::ports::{IdempotencyRepository, KeyEnd, KeyRequest, KeyState};
use crate::{Fingerprint, Operation, RememberedAnswer};

pub use ids::Ids;

/// How long an idempotency key is remembered.
pub const KEEP_KEYS_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs operations under idempotency keys. Cheap to clone.
#[derive(Clone)]
pub struct Idempotency {
    keys: Arc<dyn IdempotencyRepository>,
    ambient: Ambient,
    outages: Outages,
}

/// The result of claiming an idempotency key for a request.
#[derive(Debug)]
pub enum Begun {
    /// Execute the request.
    Run(OperationRun),
    /// Return the stored response.
    Answered(RememberedAnswer),
    /// Refuse the request: its key was used for another request.
    OtherRequest,
    /// Refuse the request for now: the same request is being executed.
    InUse {
        /// The longest time for which the current holder keeps the key.
        for_at_most: Duration,
    },
}

impl Idempotency {
    /// Creates the use case over this port.
    #[must_use]
    pub fn new(keys: Arc<dyn IdempotencyRepository>, ambient: Ambient) -> Self {
        Self { keys, ambient, outages: Outages::default() }
    }

    /// Reports failures of the database to `outages`.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Claims a key for a request, or returns what is known of it. The key is exclusive for `lease_for`,
    /// unless the run ends earlier.
    pub async fn begin(
        &self,
        key: IdempotencyKey,
        fingerprint: Fingerprint,
        lease_for: Duration,
    ) -> Result<Begun, StoreError> {
        let token = self.ambient.lease_token();
        let operation = Operation { fingerprint, seed: self.ambient.entropy.bytes(), at: self.ambient.now() };
        let request = KeyRequest { key, operation, token, lease_for, keep_for: KEEP_KEYS_FOR };
        Ok(match self.keys.begin(&request).await? {
            KeyState::Taken { operation, repeats } => {
                let (keys, outages) = (Arc::clone(&self.keys), self.outages.clone());
                Begun::Run(OperationRun { keys, outages, key, token, operation, repeats })
            }
            KeyState::Answered(answer) => Begun::Answered(answer),
            KeyState::OtherRequest => Begun::OtherRequest,
            KeyState::InUse { for_at_most } => Begun::InUse { for_at_most },
        })
    }
}

/// An operation that holds its key. Dropped without an end, it keeps the key until the lease expires.
#[must_use]
pub struct OperationRun {
    keys: Arc<dyn IdempotencyRepository>,
    outages: Outages,
    key: IdempotencyKey,
    token: LeaseToken,
    operation: Operation,
    repeats: bool,
}

impl OperationRun {
    /// Returns the ids of the operation, for the use case that executes it.
    pub fn ids(&self) -> Ids {
        Ids::new(self.key, self.operation, self.repeats)
    }

    /// Records the result. If that fails, the lease expires, and a repeated request runs the operation
    /// again.
    pub async fn end(self, end: KeyEnd) {
        let end = match end {
            // An earlier run may have done something.
            KeyEnd::Undone if self.repeats => KeyEnd::Unsettled,
            end => end,
        };
        match self.keys.end(&self.key, self.token, &end).await {
            Ok(true) => self.outages.worked("store an idempotent response"),
            Ok(false) => {
                tracing::warn!(key = %self.key, "request took longer than its claim on the idempotency key");
            }
            Err(error) => {
                self.outages.store_failed("store an idempotent response", &error);
            }
        }
    }
}

impl std::fmt::Debug for OperationRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OperationRun")
            .field("key", &self.key)
            .field("repeats", &self.repeats)
            .finish_non_exhaustive()
    }
}
