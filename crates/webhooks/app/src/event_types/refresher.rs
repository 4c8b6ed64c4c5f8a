//! Loads what other processes register.

use std::time::Duration;

use rdev_app::Outages;
use rdev_app::periodic::{Periodic, Stagger, repeat};
use tokio_util::sync::CancellationToken;

use super::EventTypeRegistry;

/// The interval at which the version of the registered types is read.
const INTERVAL: Duration = Duration::from_millis(500);

/// The task that loads the changes of other processes into a [`EventTypeRegistry`] within a second.
pub struct RegistryRefresher {
    event_types: EventTypeRegistry,
    outages: Outages,
    stagger: Stagger,
}

impl RegistryRefresher {
    /// Creates the task of this registry and its clones.
    #[must_use]
    pub fn new(event_types: EventTypeRegistry) -> Self {
        Self { event_types, outages: Outages::default(), stagger: Stagger::default() }
    }

    /// Reports failures of the database to `outages`.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Delays the first pass.
    #[must_use]
    pub fn with_stagger(mut self, stagger: Stagger) -> Self {
        self.stagger = stagger;
        self
    }

    /// Runs until `stop`. While the database is unavailable, the registry stays as it is.
    pub async fn run(self, stop: CancellationToken) {
        let delay = INTERVAL + self.stagger.delay(INTERVAL);
        repeat(self, delay, &stop).await;
    }
}

impl Periodic for RegistryRefresher {
    async fn run_once(&mut self) -> Duration {
        match self.event_types.refresh().await {
            Ok(()) => self.outages.worked("read event types"),
            Err(error) => {
                self.outages.store_failed("read event types", &error);
            }
        }
        INTERVAL
    }
}
