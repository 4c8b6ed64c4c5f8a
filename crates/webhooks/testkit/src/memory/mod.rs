//! All the ports in memory.

mod api_keys;
mod event_types;
mod events;
mod feed;
mod history;
mod idempotency;
mod queue;
mod replays;
mod state;
mod statistics;
mod webhooks;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::Clock;
use tokio::sync::Notify;

use state::State;

/// A store in memory that keeps every promise of the ports, save that nothing survives it. Each call is
/// one step under one lock; [`Progress`](rdev_webhooks_domain::delivery::Progress) makes every
/// transition. Its time is the clock's.
///
/// Share it in an `Arc`, as any port.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    work: Notify,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default(), work: Notify::new() }
    }

    /// The state, and the time of the step. The time is read under the lock, so that steps that follow
    /// each other never see it go back.
    fn step(&self) -> (MutexGuard<'_, State>, Timestamp) {
        // A test that panicked elsewhere must not hide behind a second panic here.
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
