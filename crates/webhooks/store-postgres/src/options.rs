//! Connection options.

use std::fmt;
use std::time::Duration;

use rdev_keyring::Keyring;

use crate::Address;

/// The options of a connection to a database. `Debug` shows neither the URL nor a key.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`, with libpq's parameters: `?sslmode=verify-full`,
    /// `?host=/var/run/postgresql`; or the driver's own options.
    pub address: Address,
    /// The keys that seal secrets and header values.
    pub keyring: Keyring,
    /// The sizes of the pools.
    pub pools: PoolSizes,
    /// The longest wait for a free connection of a pool, and for a new connection.
    pub acquire_timeout: Duration,
    /// Time limit of one statement, both on the server and waiting for locks. Listings have
    /// [`Self::listing_timeout`] instead, pruning [`Self::upkeep_timeout`].
    pub statement_timeout: Duration,
    /// Time limit of one statement of a listing.
    pub listing_timeout: Duration,
    /// Time limit of one statement of a look-up.
    pub browse_timeout: Duration,
    /// Time limit of one statement of pruning.
    pub upkeep_timeout: Duration,
    /// The time for which a producer's event key is kept; at most as long as its event.
    pub key_lifetime: Duration,
    /// Whether processes wake each other when there is work. If not, they find work by polling, and hold one
    /// connection less.
    pub wake_others: bool,
}

/// The maximum number of connections for each kind of work. A process holds at most their sum and two more:
/// one for upkeep, and one for wake-ups and readiness checks. With [`PostgresOptions::wake_others`] it holds
/// another one to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSizes {
    /// Connections for publishing, settling and all other changes.
    pub write: u32,
    /// Connections for discovering and claiming.
    pub claim: u32,
    /// Connections for authentication, and for look-ups by id.
    pub browse: u32,
    /// Connections for listings.
    pub listing: u32,
}

impl PostgresOptions {
    /// Returns the defaults: 8, 4, 4 and 4 connections, 5 s for a connection, 10 s for a statement, 30 s for
    /// a statement of pruning, 30 days for a key, and processes that wake each other.
    #[must_use]
    pub fn new(address: impl Into<Address>, keyring: Keyring) -> Self {
        Self {
            address: address.into(),
            keyring,
            pools: PoolSizes::default(),
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            listing_timeout: Duration::from_secs(10),
            browse_timeout: Duration::from_secs(10),
            upkeep_timeout: Duration::from_secs(30),
            key_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            wake_others: true,
        }
    }
}

impl Default for PoolSizes {
    fn default() -> Self {
        Self { write: 8, claim: 4, browse: 4, listing: 4 }
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("keyring", &self.keyring)
            .field("pools", &self.pools)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("listing_timeout", &self.listing_timeout)
            .field("browse_timeout", &self.browse_timeout)
            .field("upkeep_timeout", &self.upkeep_timeout)
            .field("key_lifetime", &self.key_lifetime)
            .field("wake_others", &self.wake_others)
            .finish_non_exhaustive()
    }
}
