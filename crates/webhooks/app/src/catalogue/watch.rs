//! Keeping up with what other processes register.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Catalogue;
use crate::Outages;

/// How often the version of the registered types is asked for.
const INTERVAL: Duration = Duration::from_millis(500);

/// Lets a [`Catalogue`] know within a second what other processes changed.
pub struct CatalogueTask {
    catalogue: Catalogue,
    outages: Outages,
}

impl CatalogueTask {
    /// The task for this catalogue and its clones.
    #[must_use]
    pub fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, outages: Outages::default() }
    }

    /// Tells these of what the database fails to do.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Works until `stop`. While the database does not answer, the catalogue stays as it is.
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
