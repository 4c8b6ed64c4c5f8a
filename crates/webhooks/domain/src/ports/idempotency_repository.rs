use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::{IdempotencyKey, LeaseToken, Operation, RememberedAnswer};

/// Where it is kept which requests were sent under which idempotency key, and what was answered.
#[async_trait]
pub trait IdempotencyRepository: Send + Sync + 'static {
    /// Takes a key for a request under a lease, or tells what has become of it.
    ///
    /// 1. MUST give a key to one of all who ask for it at once. (`an_idempotency_key_is_taken_by_one`)
    /// 2. MUST keep the keys of different owners apart. (`idempotency_keys_belong_to_their_owners`)
    /// 3. MUST tell the answer that was recorded, byte for byte. (`an_answer_is_remembered_exactly`)
    /// 4. MUST tell another request than the first from it, whatever became of the first, and leave all
    ///    as it is then. (`an_idempotency_key_is_for_one_request`)
    /// 5. MUST give a key whose lease has run out, or was given up as [`Unsettled`](KeyEnd::Unsettled), to
    ///    the next who asks for it, with the operation as it was stored at first.
    ///    (`an_idempotency_key_that_was_left_is_taken_over`)
    /// 6. MUST tell for how long whoever has the key may keep it. (`an_idempotency_key_that_was_left_is_taken_over`)
    /// 7. MUST take a key anew once `keep_for` has passed since it was first taken.
    ///    (`an_idempotency_key_is_forgotten_in_time`)
    /// 8. MUST seal the operation and the answer with the keyring, under the key as associated data. (the
    ///    stores' own tests)
    async fn begin(&self, request: &KeyRequest) -> Result<KeyState, StoreError>;

    /// Ends a lease, and says whether whoever has this token had it: nothing changes otherwise.
    ///
    /// 1. MUST change nothing once another has taken the key over, or it was answered; a lease that ran out
    ///    and that nobody took over still counts. (`who_lost_an_idempotency_key_records_nothing`)
    /// 2. MUST forget a key that is given up as [`Undone`](KeyEnd::Undone).
    ///    (`an_undone_request_leaves_its_idempotency_key_free`)
    async fn end(&self, key: &IdempotencyKey, token: LeaseToken, end: &KeyEnd) -> Result<bool, StoreError>;

    /// Removes the keys whose time is over, in bounded steps, and says how many these were.
    ///
    /// 1. MUST remove all of them and no other. (`pruning_removes_idempotency_keys_whose_time_is_over`)
    async fn prune(&self) -> Result<u64, StoreError>;
}

/// Asks for a key.
#[derive(Debug, Clone)]
pub struct KeyRequest {
    /// The key.
    pub key: IdempotencyKey,
    /// What is to be done under it.
    pub operation: Operation,
    /// Who asks.
    pub token: LeaseToken,
    /// How long nobody else may have it.
    pub lease_for: Duration,
    /// How long it is remembered from now on, unless it is there already.
    pub keep_for: Duration,
}

/// What has become of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// It belongs to whoever asked, until the lease runs out.
    Taken {
        /// What is to be done: what was asked for, or, if somebody has had the key before, as it was then.
        operation: Operation,
        /// Whether somebody has had the key before and it is not known how far that came.
        repeats: bool,
    },
    /// The request was answered.
    Answered(RememberedAnswer),
    /// It was taken for another request.
    OtherRequest,
    /// Somebody else has it at this moment.
    InUse {
        /// For no longer than this, whatever becomes of them.
        for_at_most: Duration,
    },
}

/// How the lease on a key ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyEnd {
    /// With an answer, to be remembered.
    Answered(RememberedAnswer),
    /// Nothing was done.
    Undone,
    /// It is not known what was done, and whoever asks next is to find out by doing it again.
    Unsettled,
}
