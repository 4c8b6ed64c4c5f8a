//! A Postgres server that waits for the disk, and the counters of its work.

use rdev_webhooks_testkit::postgres::PostgresServer;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};

use crate::{Outcome, usage};

/// Durability settings that the test harness turns off, and a cache of realistic size.
const SETTINGS: &[&str] = &[
    "fsync = on",
    "full_page_writes = on",
    "synchronous_commit = on",
    "shared_buffers = '512MB'",
    "max_wal_size = '4GB'",
];

/// A server for this run alone.
pub(crate) struct Database {
    pub(crate) server: PostgresServer,
    /// The version and the relevant settings, as the server reports them.
    pub(crate) description: String,
    monitor: PgConnection,
    /// The process id of the server's first process, the parent of all others.
    postmaster: u32,
    has_statements: bool,
}

/// The work of a server since its start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Work {
    pub(crate) wal_bytes: f64,
    /// Transactions. The store sends each statement in a transaction of its own.
    pub(crate) transactions: f64,
}

/// A statement and its cost.
pub(crate) struct Statement {
    pub(crate) calls: i64,
    pub(crate) total_ms: f64,
    /// The purpose of one of the store's statements; the beginning of any other.
    pub(crate) name: String,
}

/// Texts that identify the store's statements, the most specific first.
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
    /// Starts a server with its data on the disk and with fsync.
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

    /// Writes all dirty pages to the disk, so that no phase pays for the one before.
    pub(crate) async fn checkpoint(&mut self) -> Outcome<()> {
        self.monitor.execute("CHECKPOINT").await?;
        Ok(())
    }

    /// Resets the counts of [`Self::statements`].
    pub(crate) async fn forget_statements(&mut self) -> Outcome<()> {
        if self.has_statements {
            self.monitor.execute("SELECT pg_stat_statements_reset()").await?;
        }
        Ok(())
    }

    /// Returns the statements with the most execution time; none if the server lacks `pg_stat_statements`.
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
