//! [`IdempotencyRepository`] in memory.

use async_trait::async_trait;
use rdev_access::ports::{IdempotencyRepository, KeyEnd, KeyRequest, KeyState};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{IdempotencyKey, LeaseToken};

use super::MemoryStore;
use super::state::{KeyPhase, StoredKey};

#[async_trait]
impl IdempotencyRepository for MemoryStore {
    async fn begin(&self, request: &KeyRequest) -> Result<KeyState, StoreError> {
        let (mut state, now) = self.step();
        let lease = KeyPhase::Leased { token: request.token, until: now + request.lease_for };
        let known = state.idempotency_keys.get_mut(&request.key).filter(|stored| stored.expires_at > now);
        let Some(stored) = known else {
            let expires_at = now + request.keep_for;
            let stored = StoredKey { operation: request.operation, phase: lease, expires_at, is_done: false };
            state.idempotency_keys.insert(request.key, stored);
            return Ok(KeyState::Taken { operation: request.operation, repeats: false });
        };
        if stored.operation.fingerprint != request.operation.fingerprint {
            return Ok(KeyState::OtherRequest);
        }
        Ok(match &stored.phase {
            KeyPhase::Answered(answer) => KeyState::Answered(answer.clone()),
            KeyPhase::Leased { until, .. } if *until > now => {
                KeyState::InUse { for_at_most: until.since(now) }
            }
            KeyPhase::Leased { .. } => {
                stored.phase = lease;
                KeyState::Taken { operation: stored.operation, repeats: true }
            }
        })
    }

    async fn end(&self, key: &IdempotencyKey, token: LeaseToken, end: &KeyEnd) -> Result<bool, StoreError> {
        let (mut state, now) = self.step();
        let Some(stored) = state.idempotency_keys.get_mut(key) else {
            return Ok(false);
        };
        if !matches!(stored.phase, KeyPhase::Leased { token: held, .. } if held == token) {
            return Ok(false);
        }
        match end {
            KeyEnd::Answered(answer) => stored.phase = KeyPhase::Answered(answer.clone()),
            KeyEnd::Unsettled => stored.phase = KeyPhase::Leased { token, until: now },
            KeyEnd::Undone => {
                state.idempotency_keys.remove(key);
            }
        }
        Ok(true)
    }

    async fn prune(&self) -> Result<u64, StoreError> {
        let (mut state, now) = self.step();
        let before = state.idempotency_keys.len();
        state.idempotency_keys.retain(|_, stored| stored.expires_at > now);
        Ok((before - state.idempotency_keys.len()) as u64)
    }
}
