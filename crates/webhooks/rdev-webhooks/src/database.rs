//! The choice of the database by its URL.

use std::fmt;
#[cfg(feature = "sqlite")]
use std::path::PathBuf;
use std::str::FromStr;

#[cfg(feature = "postgres")]
use secrecy::SecretString;
#[cfg(feature = "postgres")]
use sqlx::ConnectOptions;

/// A database for webhooks, events and deliveries.
#[derive(Clone)]
#[non_exhaustive]
pub enum Database {
    /// `postgres://user:password@host:port/database`, with libpq's parameters after a `?`: for any number of
    /// processes. [`migrate`](crate::migrate) prepares it.
    #[cfg(feature = "postgres")]
    Postgres {
        /// The URL, which may contain a password.
        url: SecretString,
    },
    /// `sqlite://PATH`, a file that only one process at a time has open. It is created if it does not exist.
    /// `sqlite://rdev.db` is relative to the working directory, `sqlite:///var/lib/rdev.db` is absolute.
    #[cfg(feature = "sqlite")]
    Sqlite {
        /// The path of the file.
        path: PathBuf,
    },
}

/// The reason why a text is not the URL of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// This build does not know the scheme.
    #[error("must begin with postgres:// or sqlite://")]
    Scheme,
    /// There is no path after the scheme.
    #[error("must have a path after sqlite://, like sqlite:///var/lib/rdev/rdev.db")]
    Path,
}

impl FromStr for Database {
    type Err = DatabaseError;

    fn from_str(url: &str) -> Result<Self, DatabaseError> {
        #[cfg(feature = "sqlite")]
        if let Some(path) = url.strip_prefix("sqlite://") {
            // This program takes no parameters after a `?`, and a path seldom contains one.
            if path.is_empty() || path.ends_with('/') || path.contains(['?', '#']) {
                return Err(DatabaseError::Path);
            }
            return Ok(Self::Sqlite { path: path.into() });
        }
        #[cfg(feature = "postgres")]
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres { url: url.into() });
        }
        Err(DatabaseError::Scheme)
    }
}

impl From<&Self> for Database {
    fn from(database: &Self) -> Self {
        database.clone()
    }
}

/// The database of a pool. Of the pool itself only the options of its connections are used: the system opens
/// connections of its own, with settings of its own.
#[cfg(feature = "postgres")]
impl From<&sqlx::PgPool> for Database {
    fn from(pool: &sqlx::PgPool) -> Self {
        Self::Postgres { url: pool.connect_options().to_url_lossy().to_string().into() }
    }
}

#[cfg(feature = "postgres")]
impl From<sqlx::PgPool> for Database {
    fn from(pool: sqlx::PgPool) -> Self {
        Self::from(&pool)
    }
}

/// The file of a pool. The system opens connections of its own, with settings of its own.
#[cfg(feature = "sqlite")]
impl From<&sqlx::SqlitePool> for Database {
    fn from(pool: &sqlx::SqlitePool) -> Self {
        Self::Sqlite { path: pool.connect_options().get_filename().to_owned() }
    }
}

#[cfg(feature = "sqlite")]
impl From<sqlx::SqlitePool> for Database {
    fn from(pool: sqlx::SqlitePool) -> Self {
        Self::from(&pool)
    }
}

impl Database {
    /// Returns the kind: `postgres` or `sqlite`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres { .. } => "postgres",
            #[cfg(feature = "sqlite")]
            Self::Sqlite { .. } => "sqlite",
        }
    }
}

impl fmt::Debug for Database {
    /// Omits what may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres { .. } => f.write_str("postgres://…"),
            #[cfg(feature = "sqlite")]
            Self::Sqlite { path } => write!(f, "sqlite://{}", path.display()),
        }
    }
}

#[cfg(all(test, feature = "sqlite", feature = "postgres"))]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_be_relative_or_absolute() {
        for (url, expected) in
            [("sqlite://./.rdev/rdev.db", "./.rdev/rdev.db"), ("sqlite:///var/rdev.db", "/var/rdev.db")]
        {
            match url.parse().unwrap() {
                Database::Sqlite { path } => assert_eq!(path, PathBuf::from(expected)),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let database: Database = "postgres://rdev:s3cret@localhost/rdev".parse().unwrap();
        assert_eq!(format!("{database:?}"), "postgres://…");
    }

    #[test]
    fn other_urls_are_refused() {
        for (url, error) in [
            ("", DatabaseError::Scheme),
            ("rdev.db", DatabaseError::Scheme),
            ("mysql://localhost/rdev", DatabaseError::Scheme),
            ("sqlite://", DatabaseError::Path),
            ("sqlite://folder/", DatabaseError::Path),
            ("sqlite://rdev.db?mode=rwc", DatabaseError::Path),
        ] {
            assert_eq!(url.parse::<Database>().unwrap_err(), error, "{url}");
        }
    }
}
