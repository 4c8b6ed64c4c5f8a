//! Loads what other processes register.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Catalogue;
use crate::periodic::{Periodic, repeat};
use crate::{Outages, Stagger};

/// The interval at which the version of the registered types is read.
const INTERVAL: Duration = Duration::from_millis(500);

/// The task that loads the changes of other processes into a [`Catalogue`] within a second.
pub struct CatalogueTask {
    catalogue: Catalogue,
    outages: Outages,
    stagger: Stagger,
}

impl CatalogueTask {
    /// Creates the task of this catalogue and its clones.
    #[must_use]
    pub fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, outages: Outages::default(), stagger: Stagger::default() }
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

    /// Runs until `stop`. While the database is unavailable, the catalogue stays as it is.
    pub async fn run(self, stop: CancellationToken) {
        let delay = INTERVAL + self.stagger.delay(INTERVAL);
        repeat(self, delay, &stop).await;
    }
}

impl Periodic for CatalogueTask {
    async fn run_once(&mut self) -> Duration {
        match self.catalogue.refresh().await {
            Ok(()) => self.outages.worked("read event types"),
            Err(error) => {
                self.outages.store_failed("read event types", &error);
            }
        }
        INTERVAL
    }
}
