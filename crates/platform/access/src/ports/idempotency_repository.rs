use std::time::Duration;

use async_trait::async_trait;
use rdev_core::{IdempotencyKey, LeaseToken, StoreError};

use crate::{Operation, RememberedAnswer};

/// The stored idempotency keys, with the request and the response of each.
#[async_trait]
pub trait IdempotencyRepository: Send + Sync + 'static {
    /// Claims a key for a request under a lease, or returns the key's state.
    ///
    /// 1. MUST give a key to only one of several concurrent requests. (`an_idempotency_key_is_taken_by_one`)
    /// 2. MUST keep the keys of different owners apart. (`idempotency_keys_belong_to_their_owners`)
    /// 3. MUST return the recorded response byte for byte. (`an_answer_is_remembered_exactly`)
    /// 4. MUST recognise a request other than the first, whatever the state of the first, and then change
    ///    nothing. (`an_idempotency_key_is_for_one_request`)
    /// 5. MUST give a key whose lease has expired, or ended as [`Unsettled`](KeyEnd::Unsettled), to the next
    ///    request, with the operation as first stored. (`an_idempotency_key_that_was_left_is_taken_over`)
    /// 6. MUST return how long the current holder may keep the key.
    ///    (`an_idempotency_key_that_was_left_is_taken_over`)
    /// 7. MUST accept a key as new once `keep_for` has passed since it was first claimed.
    ///    (`an_idempotency_key_is_forgotten_in_time`)
    /// 8. MUST encrypt the operation and the response with the keyring, with the key as associated data. (the
    ///    stores' own tests)
    async fn begin(&self, request: &KeyRequest) -> Result<KeyState, StoreError>;

    /// Ends a lease and returns whether this token held it. Changes nothing otherwise.
    ///
    /// 1. MUST change nothing once another request has taken over the key, or a response was recorded. An
    ///    expired lease that was not taken over still counts. (`who_lost_an_idempotency_key_records_nothing`)
    /// 2. MUST delete a key that ends as [`Undone`](KeyEnd::Undone).
    ///    (`an_undone_request_leaves_its_idempotency_key_free`)
    async fn end(&self, key: &IdempotencyKey, token: LeaseToken, end: &KeyEnd) -> Result<bool, StoreError>;

    /// Deletes expired keys in bounded steps and returns their number.
    ///
    /// 1. MUST delete all of them and no others. (`pruning_removes_idempotency_keys_whose_time_is_over`)
    async fn prune(&self) -> Result<u64, StoreError>;
}

/// A request for a key.
#[derive(Debug, Clone)]
pub struct KeyRequest {
    /// The key.
    pub key: IdempotencyKey,
    /// The operation to execute under the key.
    pub operation: Operation,
    /// The token of the requester.
    pub token: LeaseToken,
    /// The time for which the requester holds the key exclusively.
    pub lease_for: Duration,
    /// The time for which a new key is kept.
    pub keep_for: Duration,
}

/// The state of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// The requester holds the key until the lease expires.
    Taken {
        /// The operation to execute: the requested one, or, if the key was held before, the stored one.
        operation: Operation,
        /// Whether the key was held before and its holder's progress is unknown.
        repeats: bool,
    },
    /// The request has a recorded response.
    Answered(RememberedAnswer),
    /// The key belongs to another request.
    OtherRequest,
    /// Another requester holds the key.
    InUse {
        /// The upper bound on how long the current holder keeps it.
        for_at_most: Duration,
    },
}

/// The end of the lease on a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyEnd {
    /// The request has a response, which is recorded.
    Answered(RememberedAnswer),
    /// The request had no effect.
    Undone,
    /// The effect of the request is unknown: the next requester executes the operation again.
    Unsettled,
}
