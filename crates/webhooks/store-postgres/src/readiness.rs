//! The readiness check: whether the database supports everything that this program does.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdev_webhooks_domain::ports::{PublicCause, StoreError};
use sqlx::{Connection, PgConnection};

use crate::schema::read_older;
use crate::store::Inner;

/// The time for which a successful test write is valid, unless a statement has failed since.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Checks that this program knows the schema, that no privilege is missing, that a commit reaches the disk,
/// and that the disk has room.
pub(crate) async fn check(inner: &Inner) -> Result<(), StoreError> {
    let readiness = &inner.readiness;
    let is_fresh = readiness.checked().is_some_and(|at| at.elapsed() < TRUSTED_FOR);
    let begun = Instant::now();
    let (older, missing) = inner
        .control()
        .run(async |conn| {
            let older = read_older(conn).await?;
            if is_fresh {
                return Ok((older, None));
            }
            let missing = missing_right(conn).await?;
            if missing.is_none() {
                write(conn).await?;
            }
            Ok((older, missing))
        })
        .await?;
    // A newer schema comes from a migration that is safe for this version too: a roll-out is in progress.
    if let Some(older) = older {
        return Err(StoreError::unavailable(PublicCause::new(older.to_string())));
    }
    if let Some(missing) = missing {
        return Err(StoreError::unavailable(PublicCause::new(lacking(&missing))));
    }
    if is_fresh {
        return Ok(());
    }
    if readiness.out_of_space.load(Ordering::Relaxed) {
        inner.control().run(async |conn| spill(conn).await).await?;
        readiness.out_of_space.store(false, Ordering::Relaxed);
    }
    *readiness.checked() = Some(begun);
    Ok(())
}

fn lacking(right: &str) -> String {
    format!(
        "the role lacks a privilege: {right}; grant what docs/OPERATING.md lists under \"Roles\": GRANT SELECT, INSERT, \
         UPDATE, DELETE ON ALL TABLES IN SCHEMA rdev_webhooks TO the role"
    )
}

/// Returns a privilege that the role lacks, like `INSERT on rdev_webhooks.events`.
async fn missing_right(conn: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT r.privilege || ' on rdev_webhooks.' || c.relname
         FROM pg_catalog.pg_class c
         CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS r (privilege)
         WHERE c.relnamespace = to_regnamespace('rdev_webhooks') AND c.relkind IN ('r', 'p')
           AND NOT c.relispartition AND c.relname <> '_migrations'
           AND NOT has_table_privilege(c.oid, r.privilege)
         UNION ALL
         SELECT 'USAGE on rdev_webhooks.' || c.relname
         FROM pg_catalog.pg_class c
         WHERE c.relnamespace = to_regnamespace('rdev_webhooks')
           AND CASE c.relkind WHEN 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') ELSE false END
         UNION ALL
         SELECT 'EXECUTE on rdev_webhooks.' || p.proname
         FROM pg_catalog.pg_proc p
         WHERE p.pronamespace = to_regnamespace('rdev_webhooks') AND NOT has_function_privilege(p.oid, 'EXECUTE')
         LIMIT 1",
    )
    .fetch_optional(conn)
    .await
}

/// Writes and commits the smallest possible change, a row lock, and waits for the disk as for an accepted
/// event.
async fn write(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut tx = conn.begin().await?;
    sqlx::raw_sql(
        "SET LOCAL synchronous_commit = on;
         SELECT FROM rdev_webhooks.encryption_keys LIMIT 1 FOR KEY SHARE",
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Makes the server write a temporary file of a megabyte. After a statement has found the disk full, a row
/// that fits into an existing page would prove nothing.
async fn spill(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut tx = conn.begin().await?;
    sqlx::raw_sql(
        "SET LOCAL work_mem = '64kB'; SET LOCAL temp_tablespaces = '';
         SELECT count(*) FROM pg_catalog.generate_series(1, 40000)",
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}
