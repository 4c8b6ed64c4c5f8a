//! A Postgres that waits for the disk, and what it has done so far.

use rdev_webhooks_testkit::postgres::PostgresServer;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};

use crate::{Outcome, usage};

/// What the harness leaves out because tests need not wait for it, and a cache that is not a toy.
const SETTINGS: &[&str] = &[
    "fsync = on",
    "full_page_writes = on",
    "synchronous_commit = on",
    "shared_buffers = '512MB'",
    "max_wal_size = '4GB'",
];

/// A server of this run's own.
pub(crate) struct Database {
    pub(crate) server: PostgresServer,
    /// The name and the settings that matter, as the server tells them.
    pub(crate) description: String,
    monitor: PgConnection,
    /// The server's first process, parent of all others.
    postmaster: u32,
    has_statements: bool,
}

/// What a server has done since it started.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Work {
    pub(crate) wal_bytes: f64,
    /// Transactions. The store sends no statement but in a transaction of its own.
    pub(crate) transactions: f64,
}

/// A statement, and what it has cost.
pub(crate) struct Statement {
    pub(crate) calls: i64,
    pub(crate) total_ms: f64,
    /// What it is for; of one that is not the store's, how it begins.
    pub(crate) name: String,
}

/// What gives the store's statements away, the most telling first.
const NAMES: &[(&str, &str)] = &[
    ("SKIP LOCKED", "claim"),
    ("RECURSIVE walk", "discover"),
    ("INTO rdev_webhooks.events", "publish"),
    ("INTO rdev_webhooks.deliveries", "settle"),
    ("pg_notify", "wake others"),
];

fn name(text: &str) -> String {
    let known = NAMES.iter().find(|(mark, _)| text.contains(mark));
    known.map_or_else(|| text.chars().take(60).collect(), |(_, name)| (*name).to_owned())
}

impl Database {
    /// Starts a server on the disk, with fsync.
    pub(crate) async fn start() -> Outcome<Self> {
        let server = PostgresServer::start().await;
        let mut setup = server.connect("postgres").await;
        for setting in SETTINGS {
            setup.execute(AssertSqlSafe(format!("ALTER SYSTEM SET {setting}"))).await?;
        }
        let has_statements: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements')",
        )
        .fetch_one(&mut setup)
        .await?;
        if has_statements {
            setup.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'").await?;
        }
        drop(setup);
        server.stop_immediate().await;
        server.restart().await;

        let mut monitor = server.connect("postgres").await;
        let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut monitor).await?;
        if fsync != "on" {
            return Err("the server does not wait for the disk, so what it shows would be worthless".into());
        }
        if has_statements {
            monitor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await?;
        }
        let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut monitor).await?;
        let data: String = sqlx::query_scalar("SHOW data_directory").fetch_one(&mut monitor).await?;
        let pid_file = std::fs::read_to_string(format!("{data}/postmaster.pid"))?;
        let postmaster = pid_file.lines().next().ok_or("postmaster.pid is empty")?.trim().parse()?;
        let description = format!("PostgreSQL {version}, {}", SETTINGS.join(", "));
        Ok(Self { server, description, monitor, postmaster, has_statements })
    }

    pub(crate) fn cpu_seconds(&self) -> Outcome<f64> {
        usage::cpu_seconds_of_family(self.postmaster)
    }

    pub(crate) async fn work(&mut self) -> Outcome<Work> {
        let row = sqlx::query(
            "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8,
                (SELECT xact_commit + xact_rollback FROM pg_stat_database
                 WHERE datname = current_database())::float8",
        )
        .fetch_one(&mut self.monitor)
        .await?;
        Ok(Work { wal_bytes: row.try_get(0)?, transactions: row.try_get(1)? })
    }

    /// Writes out what is dirty, so that no phase pays for the one before.
    pub(crate) async fn checkpoint(&mut self) -> Outcome<()> {
        self.monitor.execute("CHECKPOINT").await?;
        Ok(())
    }

    /// Forgets what [`Self::statements`] tells.
    pub(crate) async fn forget_statements(&mut self) -> Outcome<()> {
        if self.has_statements {
            self.monitor.execute("SELECT pg_stat_statements_reset()").await?;
        }
        Ok(())
    }

    /// The statements that took most of the time; none where the server cannot tell.
    pub(crate) async fn statements(&mut self) -> Outcome<Vec<Statement>> {
        if !self.has_statements {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(
            "SELECT calls, total_exec_time, regexp_replace(query, '\\s+', ' ', 'g')
             FROM pg_stat_statements WHERE query LIKE '%rdev_webhooks%' OR query LIKE '%pg_notify%'
             ORDER BY total_exec_time DESC LIMIT 5",
        )
        .fetch_all(&mut self.monitor)
        .await?;
        rows.into_iter()
            .map(|row| {
                let text: String = row.try_get(2)?;
                Ok(Statement { calls: row.try_get(0)?, total_ms: row.try_get(1)?, name: name(&text) })
            })
            .collect()
    }
}
