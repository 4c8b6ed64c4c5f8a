//! How a store is opened.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rdev_keyring::Keyring;
use rdev_webhooks_domain::ports::Clock;

/// What a [`SqliteStore`](crate::SqliteStore) needs. [`SqliteOptions::new`] sets the rest.
#[derive(Clone)]
pub struct SqliteOptions {
    /// The database's file; it and its folder are made if they are missing, for the owner alone.
    /// Beside it stand the files that SQLite makes and the lock, under the same name with an ending.
    pub path: PathBuf,
    /// What secrets are sealed with.
    pub keyring: Arc<Keyring>,
    /// The store's time: due times and leases go by it.
    pub clock: Arc<dyn Clock>,
    /// How many connections read for the worker, for authentication, and for what is found by its id.
    pub readers: NonZeroU32,
    /// How many connections serve listings.
    pub listings: NonZeroU32,
    /// How long a listing may take before it is interrupted and fails as unavailable.
    pub listing_timeout: Duration,
    /// From which size on the write-ahead log is emptied, for which listings wait. It is emptied earlier in a moment
    /// in which nobody reads.
    pub max_log_bytes: u64,
    /// How long a call may take in all, waiting included, before it fails as unavailable. A write that has
    /// not begun by then never happens; one that has begun may take as long again.
    pub timeout: Duration,
}

impl SqliteOptions {
    pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

    /// Four readers, four connections for listings, 10 seconds for a listing, a log of 96 MiB, and 30 seconds for a
    /// call.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, keyring: Arc<Keyring>, clock: Arc<dyn Clock>) -> Self {
        const FOUR: NonZeroU32 = NonZeroU32::MIN.saturating_add(3);
        Self {
            path: path.into(),
            keyring,
            clock,
            readers: FOUR,
            listings: FOUR,
            listing_timeout: Duration::from_secs(10),
            max_log_bytes: 96 << 20,
            timeout: Self::TIMEOUT,
        }
    }
}
