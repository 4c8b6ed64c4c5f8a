//! Visibility checks for project-scoped callers before a change. There is only one writer, so the result
//! holds until the change is made.

use sqlx::SqliteConnection;

use crate::error::DbError;
use crate::rows::delivery::DeliveryRow;

/// Returns whether a webhook takes only events of these projects; always true without projects.
pub(crate) async fn webhook(
    conn: &mut SqliteConnection,
    id: &[u8],
    visible_to: Option<&str>,
) -> Result<bool, DbError> {
    let Some(visible_to) = visible_to else {
        return Ok(true);
    };
    let found = sqlx::query_scalar!(
        "SELECT count(*) FROM webhooks_webhooks AS w
         WHERE w.id = ?1 AND w.projects <> '[]' AND NOT EXISTS (SELECT 1 FROM webhooks_webhook_projects AS own
           WHERE own.webhook_id = w.id AND own.project NOT IN (SELECT value FROM json_each(?2)))",
        id,
        visible_to
    )
    .fetch_one(conn)
    .await?;
    Ok(found > 0)
}

/// Returns whether a delivery is of an event of these projects, to a webhook of these projects.
pub(crate) async fn delivery(
    conn: &mut SqliteConnection,
    row: &DeliveryRow,
    visible_to: Option<&str>,
) -> Result<bool, DbError> {
    let Some(visible_to) = visible_to else {
        return Ok(true);
    };
    let of_theirs = sqlx::query_scalar!(
        r#"SELECT ?1 IN (SELECT value FROM json_each(?2)) AS "of_theirs: bool""#,
        row.project,
        visible_to
    )
    .fetch_one(&mut *conn)
    .await?;
    // `None` for an event without a project.
    Ok(of_theirs == Some(true) && webhook(conn, &row.webhook_id, Some(visible_to)).await?)
}
