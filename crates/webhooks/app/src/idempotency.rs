//! Requests under an idempotency key: done once, and answered the same again.
//!
//! A process may die between beginning an operation and recording its answer, so that nobody knows what was
//! done. Then the operation is run again, by whoever sends the request again, with what it was given at
//! first: its time, and a seed that all its randomness is drawn from. So it makes the same ids and the same
//! secrets, meets what it made before, and gives the same answer.

mod operation;

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::ports::{IdempotencyRepository, KeyEnd, KeyRequest, KeyState, StoreError};
use rdev_webhooks_domain::{Fingerprint, IdempotencyKey, LeaseToken, Operation, RememberedAnswer};

use crate::{Ambient, Outages};

pub(crate) use operation::{current_key, is_repeated};

/// How long a key is remembered.
pub const KEEP_KEYS_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs operations under idempotency keys. Cheap to clone.
#[derive(Clone)]
pub struct Idempotency {
    keys: Arc<dyn IdempotencyRepository>,
    ambient: Ambient,
    outages: Outages,
}

/// What is to be done about a request.
#[derive(Debug)]
pub enum Begun {
    /// What it asks for.
    Run(OperationRun),
    /// To give the answer that was given before.
    Answered(RememberedAnswer),
    /// To refuse it: its key was taken for another request.
    OtherRequest,
    /// To refuse it for now: the same request is being answered at this moment.
    InUse {
        /// For no longer than this, whatever becomes of who is at it.
        for_at_most: Duration,
    },
}

impl Idempotency {
    /// Over this port.
    #[must_use]
    pub fn new(keys: Arc<dyn IdempotencyRepository>, ambient: Ambient) -> Self {
        Self { keys, ambient, outages: Outages::default() }
    }

    /// Tells these of what the database fails to do.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Takes a key for a request, or tells what has become of it. Nobody else gets the key before
    /// `lease_for` has passed, unless the run ends earlier.
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

/// An operation that has its key. Dropped without an end, it leaves the key until the lease runs out.
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
    /// Does the work with the time and the randomness of the operation, for as much of it as goes by an
    /// [`Ambient::of_operations`] and is not handed to another task.
    pub async fn scope<T>(&self, work: impl Future<Output = T>) -> T {
        operation::scope(self.key, &self.operation, self.repeats, work).await
    }

    /// Records how it ended. Where that fails the lease runs out by itself, and the operation is run again
    /// if it is asked for again.
    pub async fn end(self, end: KeyEnd) {
        let end = match end {
            // A run before this one may have done something.
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
