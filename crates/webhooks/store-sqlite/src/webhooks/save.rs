//! Creating and changing webhooks.

use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::Updated;
use sqlx::SqliteConnection;

use super::health;
use super::rows::{self, Columns};
use crate::error::DbError;
use crate::replays;
use crate::secrets::sealing::SealedSecrets;

/// Creates the webhook's subscriptions, and keeps existing ones.
async fn subscribe(conn: &mut SqliteConnection, columns: &Columns) -> Result<(), DbError> {
    sqlx::query!(
        "DELETE FROM webhooks_subscriptions WHERE webhook_id = ?3
           AND (pattern NOT IN (SELECT value FROM json_each(?1))
             OR CASE WHEN ?2 = '[]' THEN project <> ''
                  ELSE project NOT IN (SELECT value FROM json_each(?2)) END)",
        columns.events,
        columns.projects,
        columns.id
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO webhooks_subscriptions (pattern, project, webhook_id)
         SELECT pattern.value, coalesce(project.value, ''), ?3
         FROM json_each(?1) AS pattern LEFT JOIN json_each(?2) AS project
         WHERE true ON CONFLICT DO NOTHING",
        columns.events,
        columns.projects,
        columns.id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a webhook that does not exist yet, with its subscriptions.
pub(super) async fn create(
    conn: &mut SqliteConnection,
    columns: Columns,
    secrets: SealedSecrets,
) -> Result<(), DbError> {
    if !rows::insert(&mut *conn, &columns, &secrets).await? {
        return Ok(());
    }
    subscribe(conn, &columns).await
}

/// Stores a changed webhook, unless it is not one version newer than the stored one.
pub(super) async fn update(
    conn: &mut SqliteConnection,
    columns: Columns,
    now: Timestamp,
) -> Result<Updated, DbError> {
    // Whether the change sets another URL or other projects, or enables the webhook: then the known health
    // of the endpoint no longer applies.
    let changes = sqlx::query!(
        r#"SELECT url <> ?2 OR projects <> ?3 OR (disabled_at IS NOT NULL AND ?4 IS NULL)
             AS "begins_anew!: bool", events <> ?5 OR projects <> ?3 AS "resubscribes!: bool"
           FROM webhooks_webhooks WHERE id = ?1"#,
        columns.id,
        columns.url,
        columns.projects,
        columns.disabled_at,
        columns.events
    )
    .fetch_optional(&mut *conn)
    .await?;
    if rows::update(&mut *conn, &columns).await? {
        if changes.as_ref().is_some_and(|changes| changes.begins_anew) {
            health::forget(&mut *conn, &columns.id).await?;
        }
        if columns.rate_limit.is_none() {
            sqlx::query!("DELETE FROM webhooks_shared_limits WHERE webhook_id = ?1", columns.id)
                .execute(&mut *conn)
                .await?;
        }
        replays::rows::make_due(&mut *conn, &columns.id, now).await?;
        if changes.is_some_and(|changes| changes.resubscribes) {
            subscribe(conn, &columns).await?;
        }
        return Ok(Updated::Applied);
    }
    let there = sqlx::query_scalar!(
        "SELECT count(*) FROM webhooks_webhooks WHERE id = ?1 AND deleted_at IS NULL",
        columns.id
    )
    .fetch_one(conn)
    .await?;
    Ok(if there == 0 { Updated::NotFound } else { Updated::VersionMismatch })
}
