//! Publishing inside the transaction of a caller.

use std::time::Duration;

use rdev_webhooks_domain::{EventId, NewEvent, ProjectName, Published};
use sqlx::PgConnection;

use crate::convert::{to_i32, to_micros_up, to_sql_time, to_u32};
use crate::store::PostgresStore;

impl PostgresStore {
    /// Adds an event with all its deliveries to the transaction of a caller's connection, for all subscribers:
    /// its target is ignored. Returns `None`, and adds nothing, if it would have more than `max_deliveries`.
    ///
    /// A worker finds the deliveries by polling once the transaction is committed, however long it was open. Two
    /// callers wait for each other only if they use the same event key.
    ///
    /// # Errors
    ///
    /// The error of the database, after which the transaction can only be rolled back: for example 40001 if the
    /// isolation level is `REPEATABLE READ` or `SERIALIZABLE` and another transaction used the same key.
    pub async fn add_event(
        &self,
        conn: &mut PgConnection,
        event: &NewEvent,
        max_deliveries: u32,
    ) -> Result<Option<Published>, sqlx::Error> {
        add_event(conn, event, self.inner.key_lifetime, max_deliveries).await
    }
}

pub(crate) async fn add_event(
    conn: &mut PgConnection,
    event: &NewEvent,
    key_lifetime: Duration,
    max_deliveries: u32,
) -> Result<Option<Published>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT event_id AS "id!", deliveries, is_duplicate AS "is_duplicate!"
               FROM rdev_webhooks.add_event($1, $2, $3, $4, $5::int8 * interval '1 microsecond', $6, $7, $8, $9)"#,
        event.id.as_uuid(),
        event.event_type.as_str(),
        event.project.as_ref().map(ProjectName::as_str),
        event.key.as_ref().map(rdev_webhooks_domain::EventKey::as_str),
        to_micros_up(key_lifetime),
        to_sql_time(event.timestamp),
        event.traceparent.map(|trace| trace.to_string()),
        &*event.body,
        to_i32(max_deliveries),
    )
    .fetch_one(conn)
    .await?;
    Ok(row.deliveries.map(|deliveries| {
        let deliveries = to_u32(deliveries);
        let id = EventId::from_uuid(row.id);
        Published { id, deliveries, visible_deliveries: deliveries, duplicate: row.is_duplicate }
    }))
}
