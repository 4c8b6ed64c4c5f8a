//! Creating and changing webhooks.

use rdev_keyring::Keyring;
use rdev_webhooks_domain::ports::{StoreError, Updated};
use rdev_webhooks_domain::{Timestamp, Webhook, WebhookState};
use sqlx::SqliteConnection;

use super::{bytes, health};
use crate::error::{self, DbError};
use crate::rows::{micros, nanos};
use crate::secrets::sealing::{self, SealedSecrets};
use crate::{json, replays};

/// A webhook's columns without its secrets.
pub(super) struct Columns {
    id: Vec<u8>,
    url: String,
    description: Option<String>,
    events: String,
    projects: String,
    headers: Vec<u8>,
    retry: String,
    timeout_ns: Option<i64>,
    rate_limit: Option<f64>,
    max_in_flight: Option<u32>,
    signing: &'static str,
    disabled_reason: Option<&'static str>,
    disabled_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

impl Columns {
    pub(super) fn new(webhook: &Webhook, keyring: &Keyring) -> Result<Self, StoreError> {
        let disabled = match webhook.state {
            WebhookState::Enabled => None,
            WebhookState::Disabled { reason, since } => Some((reason.as_str(), micros(since))),
        };
        let events: Vec<_> = webhook.settings.events.iter().map(|pattern| pattern.as_str()).collect();
        Ok(Self {
            id: bytes(webhook.id),
            url: webhook.settings.url.to_string(),
            description: webhook.settings.description.clone(),
            events: json::rows(&events)?,
            projects: json::projects(&webhook.settings.projects)?,
            headers: sealing::seal_headers(keyring, webhook.id, &webhook.settings.headers)?,
            retry: webhook.settings.retry.to_string(),
            timeout_ns: webhook.settings.timeout.map(nanos),
            rate_limit: webhook.settings.rate_limit.map(|rate| rate.as_per_second()),
            max_in_flight: webhook.settings.max_in_flight.map(u32::from),
            signing: webhook.settings.signing.as_str(),
            disabled_reason: disabled.map(|(reason, _)| reason),
            disabled_at: disabled.map(|(_, since)| since),
            created_at: micros(webhook.created_at),
            updated_at: micros(webhook.updated_at),
            version: i64::try_from(webhook.version).map_err(error::internal)?,
        })
    }

    /// Creates the webhook's subscriptions, and keeps existing ones.
    async fn subscribe(&self, conn: &mut SqliteConnection) -> Result<(), DbError> {
        sqlx::query!(
            "DELETE FROM webhooks_subscriptions WHERE webhook_id = ?3
               AND (pattern NOT IN (SELECT value FROM json_each(?1))
                 OR CASE WHEN ?2 = '[]' THEN project <> ''
                      ELSE project NOT IN (SELECT value FROM json_each(?2)) END)",
            self.events,
            self.projects,
            self.id
        )
        .execute(&mut *conn)
        .await?;
        sqlx::query!(
            "INSERT INTO webhooks_subscriptions (pattern, project, webhook_id)
             SELECT pattern.value, coalesce(project.value, ''), ?3
             FROM json_each(?1) AS pattern LEFT JOIN json_each(?2) AS project
             WHERE true ON CONFLICT DO NOTHING",
            self.events,
            self.projects,
            self.id
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}

/// Stores a webhook that does not exist yet, with its subscriptions.
pub(super) async fn create(
    conn: &mut SqliteConnection,
    columns: Columns,
    secrets: SealedSecrets,
) -> Result<(), DbError> {
    let created = sqlx::query!(
        "INSERT INTO webhooks_webhooks (id, url, description, events, projects, headers, retry, timeout_ns,
           rate_limit, max_in_flight, signing, secret, previous_secret, previous_secret_until,
           disabled_reason, disabled_at, created_at, updated_at, version, public_key,
           previous_public_key)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
           ?19, ?20, ?21)
         ON CONFLICT (id) DO NOTHING",
        columns.id,
        columns.url,
        columns.description,
        columns.events,
        columns.projects,
        columns.headers,
        columns.retry,
        columns.timeout_ns,
        columns.rate_limit,
        columns.max_in_flight,
        columns.signing,
        secrets.current,
        secrets.previous,
        secrets.previous_until,
        columns.disabled_reason,
        columns.disabled_at,
        columns.created_at,
        columns.updated_at,
        columns.version,
        secrets.public_key,
        secrets.previous_public_key,
    )
    .execute(&mut *conn)
    .await?;
    if created.rows_affected() == 0 {
        return Ok(());
    }
    columns.subscribe(conn).await
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
    let updated = sqlx::query!(
        "UPDATE webhooks_webhooks SET url = ?2, description = ?3, events = ?4, projects = ?5, headers = ?6,
           retry = ?7, timeout_ns = ?8, rate_limit = ?9, max_in_flight = ?10, signing = ?11, disabled_reason = ?12,
           disabled_at = ?13, created_at = ?14, updated_at = ?15, version = ?16
         WHERE id = ?1 AND version = ?16 - 1 AND deleted_at IS NULL",
        columns.id,
        columns.url,
        columns.description,
        columns.events,
        columns.projects,
        columns.headers,
        columns.retry,
        columns.timeout_ns,
        columns.rate_limit,
        columns.max_in_flight,
        columns.signing,
        columns.disabled_reason,
        columns.disabled_at,
        columns.created_at,
        columns.updated_at,
        columns.version,
    )
    .execute(&mut *conn)
    .await?;
    if updated.rows_affected() == 1 {
        if changes.as_ref().is_some_and(|changes| changes.begins_anew) {
            health::forget(&mut *conn, &columns.id).await?;
        }
        replays::rows::make_due(&mut *conn, &columns.id, now).await?;
        if changes.is_some_and(|changes| changes.resubscribes) {
            columns.subscribe(conn).await?;
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
