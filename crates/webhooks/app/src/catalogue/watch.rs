//! Loads what other processes register.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Catalogue;
use crate::Outages;

/// The interval at which the version of the registered types is read.
const INTERVAL: Duration = Duration::from_millis(500);

/// The task that loads the changes of other processes into a [`Catalogue`] within a second.
pub struct CatalogueTask {
    catalogue: Catalogue,
    outages: Outages,
}

impl CatalogueTask {
    /// Creates the task of this catalogue and its clones.
    #[must_use]
    pub fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, outages: Outages::default() }
    }

    /// Reports failures of the database to `outages`.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Runs until `stop`. While the database is unavailable, the catalogue stays as it is.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let refreshed = tokio::select! {
                () = stop.cancelled() => return,
                refreshed = self.catalogue.refresh() => refreshed,
            };
            match refreshed {
                Ok(()) => self.outages.worked("read event types"),
                Err(error) => {
                    self.outages.store_failed("read event types", &error);
                }
            }
        }
    }
}
