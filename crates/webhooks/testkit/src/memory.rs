//! All ports in memory.

mod api_keys;
mod event_feed;
mod event_types;
mod events;
mod feed;
mod history;
mod idempotency;
mod queue;
mod replays;
mod reports;
mod state;
mod statistics;
mod webhooks;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::Clock;
use rdev_webhooks_store::{AdvanceClaims, WakeUps};

use state::State;

/// A store in memory that meets the whole contract of the ports, except that nothing survives it. Each call
/// is one step under one lock. [`Progress`](rdev_webhooks_domain::delivery::Progress) makes every transition.
/// Its time is the clock's.
///
/// Share it in an `Arc`, like any port.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    wake_ups: WakeUps,
    advance_claims: AdvanceClaims,
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
            wake_ups: WakeUps::default(),
            advance_claims: AdvanceClaims::default(),
        }
    }

    /// Returns the locked state and the time of the step. The time is read under the lock, so that it never
    /// goes back between successive steps.
    fn step(&self) -> (MutexGuard<'_, State>, Timestamp) {
        // A panic of a test elsewhere must not cause a second panic here, which would hide it.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        (state, now)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, now) = self.step();
        f.debug_struct("MemoryStore")
            .field("now", &now)
            .field("webhooks", &state.webhooks.len())
            .field("events", &state.events.len())
            .field("deliveries", &state.deliveries.len())
            .finish_non_exhaustive()
    }
}
