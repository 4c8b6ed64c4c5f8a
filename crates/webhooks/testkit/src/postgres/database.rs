//! Databases on a server.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use super::PostgresServer;

/// The template of every database. Each process recreates it: the template of another process may have older
/// migrations.
const TEMPLATE: &str = "rdev_webhooks_test_template";

/// Key of the advisory lock of the process that creates the template: "rdevtest" in ASCII.
const LOCK: i64 = 0x7264_6576_7465_7374;

/// A database of a single test. It is dropped together with this value.
#[derive(Debug)]
pub struct TestDatabase {
    server: PgConnectOptions,
    name: String,
}

impl TestDatabase {
    /// Returns its URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.clone().database(&self.name).to_url_lossy().to_string()
    }

    /// Returns its name on the server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connects to it.
    ///
    /// # Panics
    ///
    /// If no connection succeeds.
    pub async fn connect(&self) -> PgConnection {
        super::connect(&self.server.clone().database(&self.name)).await
    }
}

/// Creates the template.
pub(super) async fn make_template<F, E>(server: &PostgresServer, migrate: impl FnOnce(String) -> F)
where
    F: Future<Output = Result<(), E>>,
    E: std::fmt::Debug,
{
    let mut conn = super::connect(&server.options).await;
    execute(&mut conn, format!("SELECT pg_advisory_lock({LOCK})")).await;
    execute(&mut conn, format!("DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")).await;
    execute(&mut conn, format!("CREATE DATABASE {TEMPLATE}")).await;
    migrate(server.url(TEMPLATE)).await.expect("the template is migrated");
    conn.close().await.expect("the connection closes");
}

/// Creates a copy of the template.
pub(super) async fn make(server: &PostgresServer) -> TestDatabase {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("rdev_webhooks_test_{}_{number}", std::process::id());
    let mut conn = super::connect(&server.options).await;
    // Another process may be recreating the template, but copies are made beside each other.
    execute(&mut conn, format!("SELECT pg_advisory_lock_shared({LOCK})")).await;
    execute(&mut conn, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    // The files of a small database: half the time of a copy by its blocks.
    execute(&mut conn, format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")).await;
    conn.close().await.expect("the connection closes");
    TestDatabase { server: server.options.clone(), name }
}

async fn execute(conn: &mut PgConnection, statement: String) {
    let done = conn.execute(AssertSqlSafe(statement.as_str())).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // The test's runtime may be shutting down, so the drop uses a runtime of its own.
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let mut conn = PgConnection::connect_with(&server).await.ok()?;
                let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                conn.execute(AssertSqlSafe(statement)).await.ok()?;
                conn.close().await.ok()
            })
        });
        // A stopped server has lost the database, and a given server keeps it until the same name is created
        // again.
        let _ = dropping.join();
    }
}
