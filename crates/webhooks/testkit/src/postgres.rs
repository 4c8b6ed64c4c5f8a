//! A Postgres server for tests, and a database of its own for each of them.
//!
//! [`PostgresServer::shared`] is one server for the whole test process: the one that `TEST_DATABASE_URL`
//! names, else one that is started from the programs installed here, else one in a container. There is
//! always one, or the test fails and says what to install. [`PostgresServer::start`] is a server of one's
//! own, to be stopped and started again.
//!
//! A server that was started ends with the process, however that ends.

mod cluster;
#[cfg(feature = "postgres-container")]
mod container;
mod database;
mod programs;
mod relay;
mod watchdog;

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::OnceCell;

use cluster::Cluster;
pub use database::TestDatabase;
pub use relay::Relay;

const URL_VARIABLE: &str = "TEST_DATABASE_URL";

/// How long a server may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A Postgres server.
#[derive(Debug)]
pub struct PostgresServer {
    /// How to reach it as somebody who may make databases.
    options: PgConnectOptions,
    kind: Kind,
    /// Whether the template was made.
    template: OnceCell<()>,
}

#[derive(Debug)]
enum Kind {
    /// Somebody else's.
    Given,
    Started(Cluster),
    #[cfg(feature = "postgres-container")]
    Contained(#[expect(dead_code, reason = "it lives as long as this")] Box<container::Container>),
}

impl PostgresServer {
    /// The server that all tests of the process share.
    ///
    /// # Panics
    ///
    /// If there is none to be had; the message says what to install.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<PostgresServer> = OnceCell::const_new();
        SHARED.get_or_init(Self::find).await
    }

    /// A server of one's own, started from the programs installed here.
    ///
    /// # Panics
    ///
    /// If they are not installed, or it does not start.
    pub async fn start() -> Self {
        let programs = programs::find().unwrap_or_else(|| panic!("{}", programs::HOW_TO_INSTALL));
        let cluster = blocking(move || Cluster::start(programs)).await;
        Self::new(cluster.options(), Kind::Started(cluster))
    }

    async fn find() -> Self {
        if let Ok(url) = std::env::var(URL_VARIABLE) {
            let options = PgConnectOptions::from_str(&url)
                .unwrap_or_else(|error| panic!("{URL_VARIABLE} is not a database URL: {error}"));
            return Self::new(options, Kind::Given);
        }
        if programs::find().is_some() {
            return Self::start().await;
        }
        #[cfg(feature = "postgres-container")]
        {
            let (options, container) = container::start().await;
            Self::new(options, Kind::Contained(Box::new(container)))
        }
        #[cfg(not(feature = "postgres-container"))]
        panic!("{}", programs::HOW_TO_INSTALL);
    }

    fn new(options: PgConnectOptions, kind: Kind) -> Self {
        Self { options, kind, template: OnceCell::new() }
    }

    /// A new database, migrated by `migrate`, which is handed a URL. It runs once on a template, of which
    /// every database is a copy: so it is the same for all that this process asks for.
    ///
    /// # Panics
    ///
    /// If any of that fails.
    pub async fn database<F, E>(&self, migrate: impl FnOnce(String) -> F) -> TestDatabase
    where
        F: Future<Output = Result<(), E>>,
        E: std::fmt::Debug,
    {
        self.template.get_or_init(|| database::make_template(self, migrate)).await;
        database::make(self).await
    }

    /// The URL of one of the server's databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let url = self.options.clone().database(database).to_url_lossy();
        url.to_string()
    }

    /// Stops the server as a crash would, without a word to anybody.
    ///
    /// # Panics
    ///
    /// If it is not one of [`Self::start`], or does not stop.
    pub async fn stop_immediate(&self) {
        let cluster = self.own().handle();
        blocking(move || cluster.stop_immediate()).await;
    }

    /// Starts it again after [`Self::stop_immediate`].
    ///
    /// # Panics
    ///
    /// If it is not one of [`Self::start`], or does not start.
    pub async fn restart(&self) {
        let cluster = self.own().handle();
        blocking(move || cluster.launch()).await;
    }

    /// Starts it again after [`Self::stop_immediate`], as a standby that follows nobody: it takes no writes until
    /// `pg_promote()`.
    ///
    /// # Panics
    ///
    /// If it is not one of [`Self::start`], or does not start.
    pub async fn restart_as_standby(&self) {
        let cluster = self.own().handle();
        blocking(move || cluster.launch_as_standby()).await;
    }

    /// All that stands in a database, as `pg_dump` writes it.
    ///
    /// # Panics
    ///
    /// If it is not one of [`Self::start`], or `pg_dump` fails.
    pub async fn dump(&self, database: &str) -> Vec<u8> {
        let (cluster, database) = (self.own().handle(), database.to_owned());
        blocking(move || cluster.dump(&database)).await
    }

    fn own(&self) -> &Cluster {
        match &self.kind {
            Kind::Started(cluster) => cluster,
            _ => panic!("only a server of PostgresServer::start can be had so, not one that is given"),
        }
    }

    /// A connection to one of the server's databases.
    ///
    /// # Panics
    ///
    /// If there is none to be had within 30 seconds.
    pub async fn connect(&self, database: &str) -> PgConnection {
        connect(&self.options.clone().database(database)).await
    }
}

async fn connect(options: &PgConnectOptions) -> PgConnection {
    tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options))
        .await
        .expect("the server answers in time")
        .expect("the server takes a connection")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
