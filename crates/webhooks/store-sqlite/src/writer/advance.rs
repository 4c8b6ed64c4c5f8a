//! The lease of new deliveries by a claim in advance, within their transaction.

use std::sync::Arc;
use std::time::Instant;

use rdev_keyring::Keyring;
use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::endpoint_cache::EndpointCache;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_store::{AdvanceClaims, NewDeliveries};
use sqlx::{Connection, SqliteConnection};

use super::Answer;
use crate::queue::claim;

/// The most deliveries of a transaction that are leased within it. Of more, a claim of its own takes larger batches at
/// less cost for each.
const MAX_LEASED: u32 = 24;

/// The claims in advance, and what a claim needs.
pub(crate) struct Advance {
    pub(crate) claims: Arc<AdvanceClaims>,
    pub(crate) endpoints: Arc<EndpointCache>,
    pub(crate) keyring: Arc<Keyring>,
}

impl Advance {
    /// Leases new deliveries by the oldest claim. The answer passes them to the claim's worker, and announces the others.
    pub(super) async fn lease(
        &self,
        conn: &mut SqliteConnection,
        mut new: NewDeliveries,
        now: Timestamp,
    ) -> Result<Answer, sqlx::Error> {
        let Some(unused) = self.claims.take() else { return Ok(announce(new)) };
        let Some(claim) = new.within(&unused.claim, MAX_LEASED) else {
            self.claims.put_back(unused);
            return Ok(announce(new));
        };
        let since = Instant::now();
        let mut savepoint = conn.begin().await?;
        let leased = match claim::claim(&mut savepoint, &claim, &self.endpoints, &self.keyring, now).await {
            Ok(leased) => {
                savepoint.commit().await?;
                leased
            }
            Err(error) => {
                savepoint.rollback().await?;
                let error = StoreError::from(error);
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot lease new deliveries in advance; they wait for a claim"
                );
                Vec::new()
            }
        };
        new.remove(&leased);
        Ok(Box::new(move |committed| {
            // The worker learns of a failure when its claim is dropped.
            committed.ok()?;
            unused.hand_over(since, leased);
            new.wake_up()
        }))
    }
}

fn announce(new: NewDeliveries) -> Answer {
    Box::new(move |committed| {
        committed.ok()?;
        new.wake_up()
    })
}
