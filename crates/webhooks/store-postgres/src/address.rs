//! The address of a database.

use std::fmt;
use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;

use crate::connect_error::ConnectError;
use crate::pool::server::Server;

/// The address of a database: a URL, or the options of the driver, such as those of a pool. `Debug` shows neither.
#[derive(Clone)]
pub struct Address(pub(crate) Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    Url(SecretString),
    Options(Box<PgConnectOptions>),
}

impl Address {
    /// Returns the options of a connection to the database, for statements of the host. Of several hosts of a URL, they
    /// are of the first that takes writes now.
    ///
    /// # Errors
    ///
    /// Fails if the URL is not one of Postgres, or if no host takes writes within this time.
    pub async fn writable_host(&self, within: Duration) -> Result<PgConnectOptions, ConnectError> {
        let server = Server::new(self).ok_or(ConnectError::Url)?;
        Ok(server.writable_host(within).await.map_err(StoreError::from)?)
    }
}

impl From<&str> for Address {
    /// Keeps the URL; it is parsed when it is used.
    fn from(url: &str) -> Self {
        Self(Kind::Url(url.into()))
    }
}

impl From<String> for Address {
    fn from(url: String) -> Self {
        Self(Kind::Url(url.into()))
    }
}

impl From<&String> for Address {
    fn from(url: &String) -> Self {
        url.as_str().into()
    }
}

impl From<PgConnectOptions> for Address {
    fn from(options: PgConnectOptions) -> Self {
        Self(Kind::Options(Box::new(options)))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://…")
    }
}
