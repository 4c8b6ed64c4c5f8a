//! Publishing inside the transaction of a caller.

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{NewEvent, PublishOutcome, Published, Timestamp};
use sqlx::SqliteConnection;

use super::publish::{Call, publish};
use crate::SqliteStore;
use crate::error::DbError;

impl SqliteStore {
    /// Adds an event with all its deliveries to the transaction of a caller's connection to this store's file.
    /// Returns `None`, and adds nothing, if it would have more than `max_deliveries`. A worker finds the
    /// deliveries by polling once the transaction is committed.
    ///
    /// # Errors
    ///
    /// The error of the database. The transaction is then as it was before.
    pub async fn add_event(
        &self,
        conn: &mut SqliteConnection,
        event: &NewEvent,
        max_deliveries: u32,
    ) -> Result<Option<Published>, StoreError> {
        add_event(conn, event, max_deliveries, self.clock.now()).await
    }
}

/// Adds an event as [`SqliteStore::add_event`] does, at the time `now`, without a store.
///
/// # Errors
///
/// The error of the database. The transaction is then as it was before.
pub async fn add_event(
    conn: &mut SqliteConnection,
    event: &NewEvent,
    max_deliveries: u32,
    now: Timestamp,
) -> Result<Option<Published>, StoreError> {
    let added = add_within_savepoint(conn, event, max_deliveries, now).await;
    if added.is_err() {
        // Fails if the database has rolled the transaction back already.
        let _ =
            sqlx::raw_sql("ROLLBACK TO rdev_webhooks_event; RELEASE rdev_webhooks_event").execute(conn).await;
    }
    Ok(added?)
}

async fn add_within_savepoint(
    conn: &mut SqliteConnection,
    event: &NewEvent,
    max_deliveries: u32,
    now: Timestamp,
) -> Result<Option<Published>, DbError> {
    // A transaction that reads before it writes fails at once if another connection writes in between. One that begins
    // with a write, even of nothing, waits for its turn.
    let begin = "SAVEPOINT rdev_webhooks_event; DELETE FROM webhooks_event_keys WHERE false";
    sqlx::raw_sql(begin).execute(&mut *conn).await?;
    let outcomes = publish(conn, &[Call::new([event], max_deliveries)], None, now).await?;
    sqlx::raw_sql("RELEASE rdev_webhooks_event").execute(conn).await?;
    Ok(outcomes.and_then(|(mut outcomes, _)| match outcomes.pop()? {
        PublishOutcome::Stored(published) => published.first().copied(),
        PublishOutcome::TooLarge(_) => None,
    }))
}
