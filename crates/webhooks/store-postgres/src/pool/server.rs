//! The location of the database, and a session on it with our own settings only.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rdev_webhooks_domain::ports::{PublicCause, StoreError};
use secrecy::ExposeSecret;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use url::Url;

use super::session::{self, Session};
use crate::address::{self, Address};
use crate::error::store_error;

/// The name of our connections on the server.
pub(crate) const APPLICATION_NAME: &str = "rdev-webhooks";

/// The hosts that may have the database. A host that accepts no writes counts as one that does not respond,
/// so that the new primary is found after a switchover.
#[derive(Debug)]
pub(crate) struct Server {
    hosts: Vec<PgConnectOptions>,
    /// The host that responded last; it is tried first.
    last_good: AtomicUsize,
}

/// The reason why a connection failed. The host is separate, so that callers may see the cause.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectFailure {
    #[error("{cause}")]
    Host {
        cause: Cause,
        #[source]
        host: Host,
    },
    #[error("all {size} connections of the pool {pool} were in use for {} s", waited.as_secs_f64())]
    Busy { pool: &'static str, size: usize, waited: Duration },
    #[error("the store is closed")]
    Closed,
    #[error(transparent)]
    Driver(sqlx::Error),
}

#[derive(Debug)]
pub(crate) enum Cause {
    Io(io::Error),
    Silent(Duration),
    Standby,
    ReadOnly,
}

/// The host that failed.
#[derive(Debug, thiserror::Error)]
#[error("host {0}")]
pub(crate) struct Host(String);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                f.write_str("connection refused")
            }
            Self::Io(error) => write!(f, "{error}"),
            Self::Silent(limit) => write!(f, "no response within {} s", limit.as_secs_f64()),
            Self::Standby => f.write_str("the server is a read-only standby"),
            Self::ReadOnly => f.write_str("the database is read-only: default_transaction_read_only is on"),
        }
    }
}

impl Server {
    /// Returns the servers of an address. Returns `None` if it is not a Postgres URL.
    pub(crate) fn new(address: &Address) -> Option<Self> {
        match &address.0 {
            address::Kind::Url(url) => Self::parse(url.expose_secret()),
            address::Kind::Options(options) => {
                let host = PgConnectOptions::clone(options).application_name(APPLICATION_NAME);
                Some(Self { hosts: vec![host], last_good: AtomicUsize::new(0) })
            }
        }
    }

    /// Parses a URL as libpq does: of several hosts, `postgres://user@one:5432,two:5432/database`, the first
    /// that takes writes is used. Returns `None` if it is not a Postgres URL.
    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        if !["postgres", "postgresql"].contains(&scheme) {
            return None;
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let mut options = Vec::new();
        for host in hosts.split(',') {
            let url = Url::parse(&format!("{scheme}://{user}{host}{path}")).ok()?;
            for url in by_parameters(&url)? {
                // The driver's own error may quote the URL.
                let host = PgConnectOptions::from_str(url.as_str()).ok()?;
                options.push(host.application_name(APPLICATION_NAME));
            }
        }
        Some(Self { hosts: options, last_good: AtomicUsize::new(0) })
    }

    /// Connects to the first suitable host, each within its share of the time.
    pub(crate) async fn connect(
        &self,
        session: &Session,
        limit: Duration,
    ) -> Result<(PgConnection, session::Access), ConnectFailure> {
        let first = self.last_good.load(Ordering::Relaxed);
        let share = limit / u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        let mut failed = None;
        for number in 0..self.hosts.len() {
            let number = (first + number) % self.hosts.len();
            let host = &self.hosts[number];
            let connected = tokio::time::timeout(share, connect(host, session)).await;
            let failure = match connected {
                Ok(Ok(connected)) => {
                    self.last_good.store(number, Ordering::Relaxed);
                    return Ok(connected);
                }
                Ok(Err(failure)) => failure,
                Err(_) => ConnectFailure::at(host, Cause::Silent(share)),
            };
            failed.get_or_insert(failure);
        }
        Err(failed.unwrap_or(ConnectFailure::Closed))
    }
}

impl Server {
    pub(crate) fn has_several_hosts(&self) -> bool {
        self.hosts.len() > 1
    }

    /// Returns the host that responded last.
    fn last_good(&self) -> PgConnectOptions {
        let number = self.last_good.load(Ordering::Relaxed);
        self.hosts.get(number).cloned().unwrap_or_default()
    }

    /// Returns the first host that takes writes, without the settings of our sessions.
    pub(crate) async fn writable_host(&self, limit: Duration) -> Result<PgConnectOptions, ConnectFailure> {
        let session = Session::new(session::Purpose::Write, limit);
        let (conn, _) = self.connect(&session, limit).await?;
        // Its end says nothing about the host.
        let _ = conn.close().await;
        Ok(self.last_good())
    }

    /// Returns a pool of one connection to the host that responded last, for functions of the driver that
    /// need a pool.
    pub(crate) fn pool_of_one(&self, session: &Arc<Session>, timeout: Duration) -> PgPool {
        let session = Arc::clone(session);
        PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .after_connect(move |conn, _| {
                let session = Arc::clone(&session);
                Box::pin(async move { session.set(conn).await.map(|_| ()) })
            })
            .connect_lazy_with(self.last_good())
    }
}

async fn connect(
    host: &PgConnectOptions,
    session: &Session,
) -> Result<(PgConnection, session::Access), ConnectFailure> {
    let failed = |error| match error {
        sqlx::Error::Io(error) => ConnectFailure::at(host, Cause::Io(error)),
        other => ConnectFailure::Driver(other),
    };
    let mut conn = PgConnection::connect_with(host).await.map_err(failed)?;
    let access = session.set(&mut conn).await.map_err(failed)?;
    if session.is_for_writing() {
        if access.standby {
            return Err(ConnectFailure::at(host, Cause::Standby));
        }
        if access.read_only {
            return Err(ConnectFailure::at(host, Cause::ReadOnly));
        }
    }
    Ok((conn, access))
}

impl From<ConnectFailure> for StoreError {
    fn from(failure: ConnectFailure) -> Self {
        match failure {
            ConnectFailure::Driver(error) => store_error(error),
            ConnectFailure::Host { cause, host } => {
                Self::unavailable(PublicCause::with_source(cause.to_string(), host))
            }
            other => Self::unavailable(PublicCause::new(other.to_string())),
        }
    }
}

impl ConnectFailure {
    fn at(host: &PgConnectOptions, cause: Cause) -> Self {
        Self::Host { cause, host: Host(address(host)) }
    }
}

/// Returns where a host is, for people.
pub(crate) fn address(host: &PgConnectOptions) -> String {
    match host.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", host.get_host(), host.get_port()),
    }
}

/// Returns one URL for each host of a URL whose parameters `host`, `hostaddr` and `port` are lists.
fn by_parameters(url: &Url) -> Option<Vec<Url>> {
    const LISTS: [&str; 3] = ["host", "hostaddr", "port"];
    let mut pairs = Vec::new();
    let mut count = 1;
    for (name, value) in url.query_pairs() {
        if name == "target_session_attrs" {
            // These values require a host that accepts writes, as the store does anyway. No other value can
            // be satisfied.
            if !["any", "read-write", "primary"].contains(&&*value) {
                return None;
            }
            continue;
        }
        let values: Vec<String> = if LISTS.contains(&&*name) {
            value.split(',').map(str::to_owned).collect()
        } else {
            vec![value.into_owned()]
        };
        count = count.max(values.len());
        pairs.push((name.into_owned(), values));
    }
    let url_of = |number: usize| {
        let mut one = url.clone();
        one.set_query(None);
        for (name, values) in &pairs {
            let value = if values.len() == 1 { &values[0] } else { values.get(number)? };
            one.query_pairs_mut().append_pair(name, value);
        }
        Some(one)
    };
    (0..count).map(url_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(url: &str) -> Vec<String> {
        Server::parse(url).unwrap().hosts.iter().map(address).collect()
    }

    #[test]
    fn a_url_may_name_several_hosts() {
        for (url, expected) in [
            ("postgres://me@one/db", vec!["one:5432"]),
            (
                "postgresql://me:p%2Cw@one:1,two:2,[::1]:3/db?sslmode=disable",
                vec!["one:1", "two:2", "[::1]:3"],
            ),
            ("postgres://me@one,two/db?target_session_attrs=read-write", vec!["one:5432", "two:5432"]),
            ("postgres:///db?host=one,two&port=1,2", vec!["one:1", "two:2"]),
            ("postgres:///db?host=one,two&port=7", vec!["one:7", "two:7"]),
            ("postgres:///db?host=/run/postgresql", vec!["/run/postgresql"]),
        ] {
            assert_eq!(addresses(url), expected, "{url}");
        }
        let server = Server::parse("postgres://me:p%2Cw@one,two/db?options=-c%20jit%3Don").unwrap();
        for host in &server.hosts {
            assert_eq!((host.get_username(), host.get_database()), ("me", Some("db")));
            assert_eq!(host.get_options(), Some("-c jit=on"));
        }
    }

    #[test]
    fn an_unsupported_url_is_refused() {
        for url in [
            "mysql://me@host/db",
            "postgres://me@ho st/db",
            "postgres://me@one:x/db",
            "postgres:///db?host=one,two,three&port=1,2",
            "postgres://me@one,two/db?target_session_attrs=standby",
            "rdev.db",
        ] {
            assert!(Server::parse(url).is_none(), "{url}");
        }
    }
}
