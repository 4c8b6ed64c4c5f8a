//! The settings of the store's sessions, which override those of the server, the database and the role: an
//! inherited setting can break a promise (a commit that is not on disk) or every statement (an isolation
//! level that fails a statement instead of letting it wait).

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

/// The settings of all sessions. `default_transaction_read_only` keeps its value: an operator who sets it
/// wants no writes.
const COMMON: &str = "
    SET default_transaction_isolation = 'read committed';
    SET default_transaction_deferrable = off;
    SET lock_timeout = 0;
    SET idle_session_timeout = 0;
    SET search_path = pg_catalog;
    SET row_security = on;
    SET client_encoding = 'UTF8';
    SET TIME ZONE 'UTC';
    SET DateStyle = 'ISO, MDY';
    SET IntervalStyle = 'postgres';
    SET bytea_output = 'hex';
    SET array_nulls = on;
    SET transform_null_equals = off;
    SET default_tablespace = '';
    SET default_table_access_method = 'heap';
    SET constraint_exclusion = 'partition';
    SET enable_partition_pruning = on;
    SET enable_seqscan = on; SET enable_indexscan = on; SET enable_indexonlyscan = on;
    SET enable_bitmapscan = on; SET enable_tidscan = on; SET enable_sort = on;
    SET enable_incremental_sort = on; SET enable_hashagg = on; SET enable_hashjoin = on;
    SET enable_mergejoin = on; SET enable_nestloop = on; SET enable_material = on; SET enable_memoize = on;
    SET geqo = on; SET jit = off; SET plan_cache_mode = 'auto';
    SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3;
    SET tcp_user_timeout = 15000;
    SET standard_conforming_strings = on;";

/// The planner's settings for the statements that carry the load. By default the planner uses statistics
/// that were taken while the queue was empty, and scans and sorts rows that it could walk in order. Planned
/// once for all parameters, and by index, the statements stay fast with any statistics.
const HOT: &str = "
    SET plan_cache_mode = 'force_generic_plan';
    SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off;
    SET enable_mergejoin = off; SET enable_sort = off;";

/// Listings have optional filters, so each is planned for the filters that are present.
const BROWSE: &str = "SET plan_cache_mode = 'force_custom_plan';";
const LISTING: &str = "SET plan_cache_mode = 'force_custom_plan'; SET max_parallel_workers_per_gather = 0;";

/// Settings that only some servers have, or that depend on the server's own: a commit waits for the disk, or
/// for more if the server is configured so; a statement whose client has disconnected ends; triggers work.
const CONDITIONAL: &str = "
    SELECT pg_backend_pid() AS backend, pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS read_only,
      CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL
        THEN set_config('transaction_timeout', '0', false) END,
      CASE WHEN version() LIKE '%linux%' THEN set_config('client_connection_check_interval', '1s', false) END,
      CASE WHEN current_setting('session_replication_role') <> 'origin'
        THEN set_config('session_replication_role', 'origin', false) END";

const RIGHTS: &str = "SELECT pg_backend_pid() AS backend, pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS read_only";

/// The purpose of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Changes that are durable once the call returns.
    Write,
    /// Claims and wake-ups. A claim that is lost in a crash of the server is made again, so it need not wait
    /// for the disk; nor need a wake-up, which is an ordinary transaction.
    Claim,
    /// Look-ups.
    Browse,
    /// Listings, whose length callers of the API determine: each takes one of the server's processors, not
    /// several.
    Listing,
    /// Pruning, resealing, and other work on many rows.
    Upkeep,
    /// A migration.
    Migrate,
    /// A look at the schema, without settings.
    Inspect,
}

/// The settings of a session.
#[derive(Debug)]
pub(crate) struct Session {
    purpose: Purpose,
    settings: String,
}

/// The rights that a server grants to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    /// The id of the server process.
    pub(crate) backend: i32,
    pub(crate) standby: bool,
    pub(crate) read_only: bool,
}

/// Returns the settings of a transaction that needs none of a session.
pub(crate) fn local_settings(statement_timeout: Duration) -> String {
    let timeout_ms = statement_timeout.as_millis().max(1);
    format!("SET LOCAL statement_timeout = {timeout_ms};") + &COMMON.replace("SET ", "SET LOCAL ")
}

impl Session {
    pub(crate) fn new(purpose: Purpose, statement_timeout: Duration) -> Self {
        let timeout_ms = statement_timeout.as_millis().max(1);
        let own = match purpose {
            Purpose::Write | Purpose::Claim => HOT,
            Purpose::Browse | Purpose::Upkeep => BROWSE,
            Purpose::Listing => LISTING,
            Purpose::Migrate | Purpose::Inspect => "",
        };
        // It comes first, so that an inherited setting cannot end the others.
        let settings = format!(
            "SET statement_timeout = {timeout_ms};
             SET idle_in_transaction_session_timeout = {timeout_ms};
             {COMMON} {own} {}",
            purpose.commit()
        );
        Self { purpose, settings }
    }

    pub(crate) const fn is_for_writing(&self) -> bool {
        !matches!(self.purpose, Purpose::Browse | Purpose::Listing | Purpose::Inspect)
    }

    /// Applies all settings, and returns the session's rights. A migration has settings of its transactions
    /// only: its session may be a pooler's, which others use too.
    pub(crate) async fn set(&self, conn: &mut PgConnection) -> Result<Access, sqlx::Error> {
        let rights = if matches!(self.purpose, Purpose::Migrate | Purpose::Inspect) {
            RIGHTS
        } else {
            sqlx::raw_sql(AssertSqlSafe(self.settings.as_str())).execute(&mut *conn).await?;
            CONDITIONAL
        };
        let row = sqlx::raw_sql(rights).fetch_one(conn).await?;
        let backend = row.try_get("backend")?;
        Ok(Access { backend, standby: row.try_get("standby")?, read_only: row.try_get("read_only")? })
    }
}

impl Purpose {
    const fn commit(self) -> &'static str {
        match self {
            Self::Claim => "SET synchronous_commit = off;",
            _ => {
                // A server that is configured to wait for more than its own disk and its standbys' keeps
                // that.
                "SELECT set_config('synchronous_commit', 'on', false)
                 WHERE current_setting('synchronous_commit') <> 'remote_apply';"
            }
        }
    }
}

impl Access {
    pub(crate) const fn can_write(self) -> bool {
        !self.standby && !self.read_only
    }
}
