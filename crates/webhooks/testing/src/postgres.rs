//! Open transactions on Postgres.

use sqlx::PgConnection;

use crate::row::Row;

/// A visible row is one of this transaction if its transaction, or that of its savepoint, is in progress. `xmin` has
/// the lower 32 bits of that transaction's id, which is near the id of this one.
const PUBLISHED: &str = "
SELECT uuid_send(e.id) AS id, (extract(epoch FROM e.timestamp) * 1000000)::int8 AS timestamp, e.event_type, e.project,
    e.key, e.traceparent, e.body
FROM (SELECT pg_current_xact_id_if_assigned()::text::int8 AS id) AS current, rdev_webhooks.events AS e
WHERE pg_xact_status((current.id
    + ((e.xmin::text::int8 - current.id + 2147483648) % 4294967296 + 4294967296) % 4294967296
    - 2147483648)::text::xid8) = 'in progress'
ORDER BY e.id";

pub(crate) async fn published(conn: &mut PgConnection) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as(PUBLISHED).fetch_all(conn).await
}
