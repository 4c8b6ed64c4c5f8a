//! The store: the state that all its ports share, and how it is closed.

pub(crate) mod claim_statement;
pub(crate) mod low_water_marks;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rdev_keyring::Keyring;
use rdev_webhooks_domain::endpoint_cache::EndpointCache;
use rdev_webhooks_domain::ports::Clock;
use rdev_webhooks_store::AdvanceClaims;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::clock::Time;
use crate::pool::Pool;
use crate::pool::listings::Listings;
use crate::pool::readiness::Readiness;
use crate::wakeups::Wakeups;
use claim_statement::ClaimStatement;
use low_water_marks::LowWaterMarks;

const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The store ports on a Postgres database. Clones share all state.
///
/// Its own tasks (upkeep, wake-ups) end with [`Self::close`], or when the last clone is dropped.
#[derive(Clone)]
pub struct PostgresStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) pools: Pools,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) keyring: Keyring,
    pub(crate) key_lifetime: Duration,
    pub(crate) endpoints: EndpointCache,
    pub(crate) marks: LowWaterMarks,
    pub(crate) claim_statement: ClaimStatement,
    pub(crate) wakeups: Arc<Wakeups>,
    pub(crate) advance_claims: AdvanceClaims,
    pub(crate) time: Arc<Time>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) _stop_on_drop: DropGuard,
}

/// The connections, by their use; [`Inner`] says what each is for.
pub(crate) struct Pools {
    pub(crate) write: Pool,
    pub(crate) claim: Pool,
    pub(crate) browse: Pool,
    pub(crate) upkeep: Pool,
    pub(crate) control: Pool,
    pub(crate) listings: Listings,
}

impl PostgresStore {
    /// Returns the process's clock, corrected by the database's, for creating ids.
    #[must_use]
    pub fn clock(&self, own: Arc<dyn Clock>) -> Arc<dyn Clock> {
        self.inner.time.clock(own)
    }

    /// Ends the store's tasks and closes its connections. Every later call is [`StoreError::Unavailable`](rdev_webhooks_domain::ports::StoreError::Unavailable).
    /// Calls in progress may finish, for up to ten seconds.
    pub async fn close(&self) {
        self.inner.stop.cancel();
        let closing = async {
            self.inner.tasks.wait().await;
            tokio::join!(
                self.inner.pools.write.close(),
                self.inner.pools.claim.close(),
                self.inner.pools.browse.close(),
                self.inner.pools.listings.pool().close(),
                self.inner.pools.upkeep.close(),
                self.inner.pools.control.close(),
            )
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, closing).await.is_err() {
            tracing::warn!("database connections still busy; abandoning them");
        }
    }
}

impl Inner {
    /// Returns the pool for changes: a change is durable once the call returns.
    pub(crate) const fn write(&self) -> &Pool {
        &self.pools.write
    }

    /// Returns the pool for discovering and claiming.
    pub(crate) const fn claim(&self) -> &Pool {
        &self.pools.claim
    }

    /// Returns the pool for authentication and look-ups by id.
    pub(crate) const fn browse(&self) -> &Pool {
        &self.pools.browse
    }

    /// Returns the connections for listings, whose length callers of the API determine.
    pub(crate) const fn listings(&self) -> &Listings {
        &self.pools.listings
    }

    /// Returns the pool for pruning and other long work on many rows.
    pub(crate) const fn upkeep(&self) -> &Pool {
        &self.pools.upkeep
    }

    /// Returns the pool for wake-ups and readiness checks, which must not wait for any other work.
    pub(crate) const fn control(&self) -> &Pool {
        &self.pools.control
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("write", &self.inner.pools.write.connections())
            .field("claim", &self.inner.pools.claim.connections())
            .field("browse", &self.inner.pools.browse.connections())
            .field("listing", &self.inner.pools.listings.pool().connections())
            .finish_non_exhaustive()
    }
}
