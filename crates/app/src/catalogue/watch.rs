//! Keeping up with what other processes register.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Catalogue;

/// How often the version of the registered types is asked for.
const INTERVAL: Duration = Duration::from_millis(500);

/// Lets a [`Catalogue`] know within a second what other processes changed.
pub struct CatalogueTask {
    catalogue: Catalogue,
}

impl CatalogueTask {
    /// The task for this catalogue and its clones.
    #[must_use]
    pub fn new(catalogue: Catalogue) -> Self {
        Self { catalogue }
    }

    /// Works until `stop`. While the database does not answer, the catalogue stays as it is.
    pub async fn run(self, stop: CancellationToken) {
        let mut is_out_of_date = false;
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
                Ok(()) => is_out_of_date = false,
                // Once for each time that the database is away.
                Err(error) if !is_out_of_date => {
                    is_out_of_date = true;
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the event types may be out of date: the database does not tell whether they have changed"
                    );
                }
                Err(_) => {}
            }
        }
    }
}
