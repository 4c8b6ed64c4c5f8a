//! Sinks.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use rdev_runner_domain::AgentEventKind;
use rdev_runner_domain::ports::EventSink;
use tokio::sync::{Notify, Semaphore};

/// A sink that keeps every event.
#[derive(Debug, Default)]
pub struct RecordingSink {
    events: Mutex<Vec<AgentEventKind>>,
    checkpoint: Mutex<Option<String>>,
    arrived: Notify,
}

impl RecordingSink {
    /// Returns the events so far.
    #[must_use]
    pub fn events(&self) -> Vec<AgentEventKind> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the last checkpoint.
    #[must_use]
    pub fn last_checkpoint(&self) -> Option<String> {
        self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the first event.
    pub async fn first(&self) {
        self.count(1).await;
    }

    /// Waits for this many events.
    pub async fn count(&self, events: usize) {
        while self.events().len() < events {
            self.arrived.notified().await;
        }
    }
}

#[async_trait]
impl EventSink for RecordingSink {
    async fn emit(&self, event: AgentEventKind) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        self.arrived.notify_one();
    }

    async fn checkpoint(&self, checkpoint: String) {
        *self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner) = Some(checkpoint);
    }
}

/// A sink that takes only as many events as it is opened for.
#[derive(Debug)]
pub struct GatedSink {
    gate: Semaphore,
    taken: RecordingSink,
}

impl GatedSink {
    /// Creates a sink that takes no events yet.
    #[must_use]
    pub fn new() -> Self {
        Self { gate: Semaphore::new(0), taken: RecordingSink::default() }
    }

    /// Lets more events in.
    pub fn open(&self, events: usize) {
        self.gate.add_permits(events);
    }

    /// Returns the events that were taken.
    #[must_use]
    pub fn events(&self) -> Vec<AgentEventKind> {
        self.taken.events()
    }
}

impl Default for GatedSink {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl EventSink for GatedSink {
    async fn emit(&self, event: AgentEventKind) {
        // The semaphore is never closed.
        if let Ok(permit) = self.gate.acquire().await {
            permit.forget();
        }
        self.taken.emit(event).await;
    }

    async fn checkpoint(&self, checkpoint: String) {
        self.taken.checkpoint(checkpoint).await;
    }
}
