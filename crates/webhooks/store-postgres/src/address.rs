//! The address of a database.

use std::fmt;

use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;

/// The address of a database: a URL, or the options of the driver, such as those of a pool. `Debug` shows neither.
#[derive(Clone)]
pub struct Address(pub(crate) Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    Url(SecretString),
    Options(Box<PgConnectOptions>),
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
