//! Options for opening a store.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rdev_keyring::Keyring;
use rdev_webhooks_domain::ports::Clock;

/// The options of a [`SqliteStore`](crate::SqliteStore). [`SqliteOptions::new`] sets defaults.
#[derive(Clone)]
pub struct SqliteOptions {
    /// The database's file. It and its folder are created if missing, accessible to the owner only. SQLite's
    /// own files and the lock file are beside it, under the same name with a suffix.
    pub path: PathBuf,
    /// The keys that seal secrets.
    pub keyring: Arc<Keyring>,
    /// The store's clock, for due times and leases.
    pub clock: Arc<dyn Clock>,
    /// The number of reading connections for the worker, for authentication, and for look-ups by id.
    pub readers: NonZeroU32,
    /// The number of connections for listings.
    pub listings: NonZeroU32,
    /// Time limit of a listing; beyond it the listing is interrupted and fails as unavailable.
    pub listing_timeout: Duration,
    /// The size at which the write-ahead log is emptied, for which listings wait. It is emptied earlier when
    /// no reader is active.
    pub max_log_bytes: u64,
    /// Time limit of a call, waiting included; beyond it the call fails as unavailable. A write that has not
    /// begun by then never happens; one that has begun may take as long again.
    pub timeout: Duration,
}

impl SqliteOptions {
    pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

    /// Returns the defaults: four readers, four connections for listings, 10 seconds for a listing, a log of
    /// 96 MiB, and 30 seconds for a call.
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
