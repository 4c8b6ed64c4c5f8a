//! A Postgres server for tests, with a separate database for each test.
//!
//! [`PostgresServer::shared`] returns one server for the whole test process: the one that `TEST_DATABASE_URL`
//! names, else one started from the installed programs, else one in a container. Without any of them the test
//! fails and says what to install. [`PostgresServer::start`] starts a separate server that the test can stop
//! and restart.
//!
//! A started server ends with the process, however that ends.

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

/// Deadline for a server's answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A Postgres server.
#[derive(Debug)]
pub struct PostgresServer {
    /// Connection options of a user who may create databases.
    options: PgConnectOptions,
    kind: Kind,
    /// Set once the template exists.
    template: OnceCell<()>,
}

#[derive(Debug)]
enum Kind {
    /// A server that was given, not started here.
    Given,
    Started(Cluster),
    #[cfg(feature = "postgres-container")]
    Contained(#[expect(dead_code, reason = "keeps the container running")] Box<container::Container>),
}

impl PostgresServer {
    /// Returns the server that all tests of the process share.
    ///
    /// # Panics
    ///
    /// If no server is available. The message says what to install.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<PostgresServer> = OnceCell::const_new();
        SHARED.get_or_init(Self::find).await
    }

    /// Starts a separate server from the installed programs.
    ///
    /// # Panics
    ///
    /// If the programs are not installed, or the server does not start.
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

    /// Creates a database, migrated by `migrate`, which receives a URL. The migration runs once, on a
    /// template, and every database is a copy of the template. So it must be the same for all calls in this
    /// process.
    ///
    /// # Panics
    ///
    /// If a step fails.
    pub async fn database<F, E>(&self, migrate: impl FnOnce(String) -> F) -> TestDatabase
    where
        F: Future<Output = Result<(), E>>,
        E: std::fmt::Debug,
    {
        self.template.get_or_init(|| database::make_template(self, migrate)).await;
        database::make(self).await
    }

    /// Returns the URL of one of the server's databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let url = self.options.clone().database(database).to_url_lossy();
        url.to_string()
    }

    /// Stops the server as a crash would, without notice to its clients.
    ///
    /// # Panics
    ///
    /// If the server does not come from [`Self::start`], or does not stop.
    pub async fn stop_immediate(&self) {
        let cluster = self.own().handle();
        blocking(move || cluster.stop_immediate()).await;
    }

    /// Restarts the server after [`Self::stop_immediate`].
    ///
    /// # Panics
    ///
    /// If the server does not come from [`Self::start`], or does not start.
    pub async fn restart(&self) {
        let cluster = self.own().handle();
        blocking(move || cluster.launch()).await;
    }

    /// Restarts the server after [`Self::stop_immediate`] as a standby without a primary: it rejects writes
    /// until `pg_promote()`.
    ///
    /// # Panics
    ///
    /// If the server does not come from [`Self::start`], or does not start.
    pub async fn restart_as_standby(&self) {
        let cluster = self.own().handle();
        blocking(move || cluster.launch_as_standby()).await;
    }

    /// Returns the whole content of a database, as `pg_dump` writes it.
    ///
    /// # Panics
    ///
    /// If the server does not come from [`Self::start`], or `pg_dump` fails.
    pub async fn dump(&self, database: &str) -> Vec<u8> {
        self.dump_schemas(database, "*").await
    }

    /// Returns one schema of a database as SQL, without what depends on the server's version and its users.
    ///
    /// # Panics
    ///
    /// If the server does not come from [`Self::start`], or `pg_dump` fails.
    pub async fn dump_schema(&self, database: &str, schema: &str) -> String {
        let dump = self.dump_schemas(database, schema).await;
        let dump = String::from_utf8(dump).expect("SQL is UTF-8");
        let is_kept = |line: &&str| {
            !line.starts_with('\\')
                && !line.contains(" OWNER TO ")
                && !line.starts_with("SET transaction_timeout")
        };
        dump.lines().filter(is_kept).collect::<Vec<_>>().join("\n") + "\n"
    }

    async fn dump_schemas(&self, database: &str, schemas: &str) -> Vec<u8> {
        let (cluster, database, schemas) = (self.own().handle(), database.to_owned(), schemas.to_owned());
        blocking(move || cluster.dump(&database, &schemas)).await
    }

    fn own(&self) -> &Cluster {
        match &self.kind {
            Kind::Started(cluster) => cluster,
            _ => panic!("this needs a server of PostgresServer::start, not one that is given"),
        }
    }

    /// Connects to one of the server's databases.
    ///
    /// # Panics
    ///
    /// If no connection succeeds within 30 seconds.
    pub async fn connect(&self, database: &str) -> PgConnection {
        connect(&self.options.clone().database(database)).await
    }
}

async fn connect(options: &PgConnectOptions) -> PgConnection {
    tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options))
        .await
        .expect("the server answers in time")
        .expect("the server accepts a connection")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
