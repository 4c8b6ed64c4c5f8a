//! Which database, by its URL.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use rdev_webhooks_domain::ports::{
    Clock, DeliveryHistory, DeliveryQueue, EventRepository, StoreError, WebhookRepository,
};
use rdev_webhooks_keyring::Keyring;
#[cfg(feature = "sqlite")]
use rdev_webhooks_store_sqlite::{SqliteOptions, SqliteStore};

/// A database that the system can keep its webhooks, events and deliveries in.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Database {
    /// `sqlite://PATH`, a file that one process at a time has open; it is made if it is missing.
    /// `sqlite://rdev.db` is relative to the working directory, `sqlite:///var/lib/rdev.db` is not.
    #[cfg(feature = "sqlite")]
    Sqlite {
        /// The file.
        path: PathBuf,
    },
}

/// Why a text is not the URL of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// Another scheme than those that this build knows.
    #[error("a database's URL begins with sqlite://")]
    Scheme,
    /// Nothing after the scheme.
    #[error("a path must follow sqlite://, like sqlite:///var/lib/rdev/rdev.db")]
    Path,
}

impl FromStr for Database {
    type Err = DatabaseError;

    fn from_str(url: &str) -> Result<Self, DatabaseError> {
        #[cfg(feature = "sqlite")]
        if let Some(path) = url.strip_prefix("sqlite://") {
            // What would follow a `?` in a URL is nothing that we take; in a path it is a rare letter.
            if path.is_empty() || path.ends_with('/') || path.contains(['?', '#']) {
                return Err(DatabaseError::Path);
            }
            return Ok(Self::Sqlite { path: path.into() });
        }
        Err(DatabaseError::Scheme)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { path } => write!(f, "sqlite://{}", path.display()),
        }
    }
}

/// Why the system could not be opened. Made to be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The embedded database.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Sqlite(#[from] rdev_webhooks_store_sqlite::OpenError),
    /// What sends deliveries.
    #[error("deliveries cannot be sent")]
    Dispatcher(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A store, as each of its ports.
pub(crate) struct Store {
    pub(crate) events: Arc<dyn EventRepository>,
    pub(crate) webhooks: Arc<dyn WebhookRepository>,
    pub(crate) queue: Arc<dyn DeliveryQueue>,
    pub(crate) history: Arc<dyn DeliveryHistory>,
    kind: Kind,
}

enum Kind {
    #[cfg(feature = "sqlite")]
    Sqlite(Arc<SqliteStore>),
}

impl Store {
    pub(crate) async fn open(
        database: Database,
        keyring: Keyring,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        match database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite { path } => {
                let store =
                    Arc::new(SqliteStore::open(SqliteOptions::new(path, Arc::new(keyring), clock)).await?);
                Ok(Self {
                    events: store.clone(),
                    webhooks: store.clone(),
                    queue: store.clone(),
                    history: store.clone(),
                    kind: Kind::Sqlite(store),
                })
            }
        }
    }

    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        match &self.kind {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(store) => store.close().await,
        }
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_be_relative_or_absolute() {
        let path = |url: &str| match url.parse().unwrap() {
            Database::Sqlite { path } => path,
        };
        assert_eq!(path("sqlite://./.rdev/rdev.db"), PathBuf::from("./.rdev/rdev.db"));
        assert_eq!(path("sqlite:///var/lib/rdev.db"), PathBuf::from("/var/lib/rdev.db"));
    }

    #[test]
    fn what_is_no_database_is_refused() {
        for (url, error) in [
            ("", DatabaseError::Scheme),
            ("rdev.db", DatabaseError::Scheme),
            ("mysql://localhost/rdev", DatabaseError::Scheme),
            ("sqlite://", DatabaseError::Path),
            ("sqlite://folder/", DatabaseError::Path),
            ("sqlite://rdev.db?mode=rwc", DatabaseError::Path),
        ] {
            assert_eq!(url.parse::<Database>(), Err(error), "{url}");
        }
    }
}
