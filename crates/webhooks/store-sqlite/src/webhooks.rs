//! [`WebhookRepository`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{DisabledWebhook, Rotated, StoreError, Updated, WebhookRepository};
use rdev_webhooks_domain::{
    DisabledReason, Health, Page, PageRequest, SecretRotation, SigningSecrets, Timestamp, Webhook,
    WebhookDeletion, WebhookFilter, WebhookId, WebhookState,
};
use sqlx::SqliteConnection;

use crate::rows::webhook::{DisabledRow, WebhookRow};
use crate::rows::{micros, nanos};
use crate::{SqliteStore, error, health, json, rotate, rows, sealing, visible};

/// The maximum number of a deleted webhook's waiting deliveries that one step cancels.
const CANCEL_STEP: i64 = 5_000;

#[async_trait]
impl WebhookRepository for SqliteStore {
    async fn create(&self, webhook: &Webhook, secrets: &SigningSecrets) -> Result<(), StoreError> {
        let sealed = sealing::seal_secrets(&self.keyring, webhook.id, secrets)?;
        let columns = Columns::new(webhook, &self.keyring)?;
        self.write(move |conn, _| {
            Box::pin(async move {
                let (signing, created_at) = (columns.signing, columns.created_at);
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
                    signing,
                    sealed.current,
                    sealed.previous,
                    sealed.previous_until,
                    columns.disabled_reason,
                    columns.disabled_at,
                    created_at,
                    columns.updated_at,
                    columns.version,
                    sealed.public_key,
                    sealed.previous_public_key,
                )
                .execute(&mut *conn)
                .await
                .map_err(error::database)?;
                if created.rows_affected() == 0 {
                    return Ok(());
                }
                columns.subscribe(conn).await
            })
        })
        .await
    }

    async fn get(&self, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let id = bytes(id);
        let row = sqlx::query_as!(
            WebhookRow,
            "SELECT id, url, description, events, projects, headers, retry, timeout_ns, rate_limit,
               max_in_flight, signing, public_key, previous_public_key, previous_secret_until, disabled_reason,
               disabled_at, created_at, updated_at, version
             FROM webhooks_webhooks WHERE id = ?1 AND deleted_at IS NULL",
            id
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(error::database)?;
        row.map(|row| row.webhook(&self.keyring)).transpose()
    }

    async fn list(
        &self,
        filter: &WebhookFilter,
        page: PageRequest<WebhookId>,
    ) -> Result<Page<Webhook>, StoreError> {
        let before = page.before.map(bytes);
        let patterns = filter.event_type.as_ref().map(|event_type| {
            let patterns: Vec<_> = event_type.matching_patterns().collect();
            json::rows(&patterns)
        });
        let patterns = patterns.transpose()?;
        let project = filter.project.as_ref().map(|project| project.as_str());
        let visible_to = filter.visible_to.as_ref().map(json::projects).transpose()?;
        let limit = i64::from(page.limit) + 1;
        let mut snapshot = self.listings.begin().await?;
        let rows = sqlx::query_as!(
            WebhookRow,
            "SELECT id, url, description, events, projects, headers, retry, timeout_ns, rate_limit,
               max_in_flight, signing, public_key, previous_public_key, previous_secret_until, disabled_reason,
               disabled_at, created_at, updated_at, version
             FROM webhooks_webhooks AS w
             WHERE deleted_at IS NULL
               AND (?1 IS NULL OR id < ?1)
               AND (?2 IS NULL OR ?2 = (disabled_at IS NULL))
               AND (?3 IS NULL OR EXISTS (SELECT 1 FROM webhooks_subscriptions AS s WHERE s.webhook_id = w.id
                     AND s.pattern IN (SELECT value FROM json_each(?3))))
               AND (?4 IS NULL OR EXISTS (SELECT 1 FROM webhooks_subscriptions AS s WHERE s.webhook_id = w.id
                     AND s.project IN ('', ?4)))
               AND (?5 IS NULL OR (w.projects <> '[]' AND NOT EXISTS (SELECT 1 FROM json_each(iif(json_valid(w.projects), w.projects, '[0]')) AS own
                     WHERE own.value NOT IN (SELECT value FROM json_each(?5)))))
             ORDER BY id DESC LIMIT ?6",
            before,
            filter.enabled,
            patterns,
            project,
            visible_to,
            limit
        )
        .fetch_all(&mut *snapshot)
        .await
        .map_err(error::database)?;
        let id = |row: &WebhookRow| error::id_text(&row.id, WebhookId::from_uuid);
        Page::read(rows, page.limit, id, |row| row.webhook(&self.keyring))
    }

    async fn update(&self, webhook: &Webhook) -> Result<Updated, StoreError> {
        let columns = Columns::new(webhook, &self.keyring)?;
        self.write_and_wake(
            move |conn, now| Box::pin(async move { update(conn, columns, now).await }),
            // The change may have enabled the webhook, with deliveries that waited for that.
            |updated| *updated == Updated::Applied,
        )
        .await
    }

    async fn rotate_secret(&self, id: WebhookId, rotation: &SecretRotation) -> Result<Rotated, StoreError> {
        let (rotation, keyring) = (rotation.clone(), Arc::clone(&self.keyring));
        self.write(move |conn, _| Box::pin(async move { rotate::rotate(conn, &keyring, id, rotation).await }))
            .await
    }

    async fn delete(&self, id: WebhookId, deletion: &WebhookDeletion) -> Result<Updated, StoreError> {
        let versions = deletion.versions.clone();
        let visible_to = deletion.visible_to.as_ref().map(json::projects).transpose()?;
        let deleted = self
            .write(move |conn, now| {
                Box::pin(async move { mark_deleted(conn, id, versions, visible_to, now).await })
            })
            .await?;
        // A long queue is cancelled in steps that let other writes run. If a step fails, or the process dies
        // between two of them, pruning finishes the work: the webhook is deleted all the same.
        let mut has_more = deleted == Updated::Applied;
        while has_more {
            has_more = self.cancel_waiting(id).await.unwrap_or_else(|error| {
                tracing::warn!(
                    webhook = %id, error = &error as &dyn std::error::Error,
                    "webhook deleted; its deliveries will be cancelled later"
                );
                false
            });
        }
        Ok(deleted)
    }

    async fn health(&self, ids: &[WebhookId]) -> Result<Vec<Health>, StoreError> {
        let known = health::load(&self.readers, ids.iter().copied()).await?;
        Ok(ids.iter().map(|id| known.get(id).copied().unwrap_or_default()).collect())
    }

    async fn disable_failing(
        &self,
        after: Duration,
        limit: u32,
    ) -> Result<Vec<(WebhookId, Timestamp)>, StoreError> {
        self.write(move |conn, now| {
            Box::pin(async move { health::disable_failing(conn, after, limit, now).await })
        })
        .await
    }

    async fn disabled(
        &self,
        reasons: &[DisabledReason],
        since: Timestamp,
        after: Option<(WebhookId, Timestamp)>,
        limit: u32,
    ) -> Result<Vec<DisabledWebhook>, StoreError> {
        let since = micros(since);
        let reasons = json::rows(&reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>())?;
        let (after_at, after_id) = place(after);
        let found = sqlx::query_as!(
            DisabledRow,
            r#"SELECT w.id, w.projects, w.disabled_reason AS "reason!", w.disabled_at AS "since!",
                 (SELECT h.failing_since FROM webhooks_endpoint_health AS h WHERE h.webhook_id = w.id) AS failing_since
               FROM webhooks_webhooks AS w INDEXED BY webhooks_webhooks_by_disabled_at_id
               WHERE w.disabled_at IS NOT NULL AND w.deleted_at IS NULL AND w.disabled_at >= ?1
                 AND w.disabled_reason IN (SELECT value FROM json_each(?5))
                 AND (w.disabled_at, w.id) > (?2, ?3)
               ORDER BY w.disabled_at, w.id LIMIT ?4"#,
            since,
            after_at,
            after_id,
            limit,
            reasons
        )
        .fetch_all(&self.readers)
        .await
        .map_err(error::database)?;
        found.iter().map(DisabledRow::webhook).collect()
    }
}

impl SqliteStore {
    /// Cancels some waiting deliveries of a deleted webhook, and returns whether there may be more.
    async fn cancel_waiting(&self, id: WebhookId) -> Result<bool, StoreError> {
        self.write(move |conn, now| Box::pin(async move { cancel_waiting(conn, id, now).await })).await
    }
}

/// Returns the start of a page, by time and id; the first page starts before everything.
fn place(after: Option<(WebhookId, Timestamp)>) -> (i64, Vec<u8>) {
    after.map_or_else(|| (i64::MIN, Vec::new()), |(id, at)| (micros(at), bytes(id)))
}

fn bytes(id: WebhookId) -> Vec<u8> {
    id.as_uuid().as_bytes().to_vec()
}

/// A webhook's columns without its secrets.
struct Columns {
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
    fn new(webhook: &Webhook, keyring: &Arc<rdev_keyring::Keyring>) -> Result<Self, StoreError> {
        let disabled = match webhook.state {
            WebhookState::Enabled => None,
            WebhookState::Disabled { reason, since } => Some((reason.as_str(), micros(since))),
        };
        let events: Vec<_> = webhook.events.iter().map(|pattern| pattern.as_str()).collect();
        Ok(Self {
            id: bytes(webhook.id),
            url: webhook.url.to_string(),
            description: webhook.description.clone(),
            events: json::rows(&events)?,
            projects: json::projects(&webhook.projects)?,
            headers: sealing::seal_headers(keyring, webhook.id, &webhook.headers)?,
            retry: webhook.retry.to_string(),
            timeout_ns: webhook.timeout.map(nanos),
            rate_limit: webhook.rate_limit.map(|rate| rate.as_per_second()),
            max_in_flight: webhook.max_in_flight.map(u32::from),
            signing: webhook.signing.as_str(),
            disabled_reason: disabled.map(|(reason, _)| reason),
            disabled_at: disabled.map(|(_, since)| since),
            created_at: micros(webhook.created_at),
            updated_at: micros(webhook.updated_at),
            version: i64::try_from(webhook.version).map_err(error::internal)?,
        })
    }

    /// Creates the webhook's subscriptions, and keeps existing ones.
    async fn subscribe(&self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
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
        .await
        .map_err(error::database)?;
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
        .await
        .map_err(error::database)?;
        Ok(())
    }
}

async fn update(
    conn: &mut SqliteConnection,
    columns: Columns,
    now: Timestamp,
) -> Result<Updated, StoreError> {
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
    .await
    .map_err(error::database)?;
    let updated = sqlx::query!(
        "UPDATE webhooks_webhooks SET url = ?2, description = ?3, events = ?4, projects = ?5, headers = ?6, retry = ?7,
           timeout_ns = ?8, rate_limit = ?9, max_in_flight = ?10, signing = ?11, disabled_reason = ?12,
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
    .await
    .map_err(error::database)?;
    if updated.rows_affected() == 1 {
        if changes.as_ref().is_some_and(|changes| changes.begins_anew) {
            health::forget(&mut *conn, &columns.id).await?;
        }
        rows::replay::hurry(&mut *conn, &columns.id, now).await?;
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
    .await
    .map_err(error::database)?;
    Ok(if there == 0 { Updated::NotFound } else { Updated::VersionMismatch })
}

/// Marks a webhook as deleted, and deletes its secrets permanently.
async fn mark_deleted(
    conn: &mut SqliteConnection,
    id: WebhookId,
    versions: Option<Vec<u64>>,
    visible_to: Option<String>,
    now: Timestamp,
) -> Result<Updated, StoreError> {
    let (webhook, at) = (bytes(id), micros(now));
    if !visible::webhook(conn, &webhook, visible_to.as_deref()).await? {
        return Ok(Updated::NotFound);
    }
    let version = sqlx::query_scalar!(
        r#"SELECT version AS "version: u64" FROM webhooks_webhooks WHERE id = ?1 AND deleted_at IS NULL"#,
        webhook
    )
    .fetch_optional(&mut *conn)
    .await
    .map_err(error::database)?;
    let Some(version) = version else {
        return Ok(Updated::NotFound);
    };
    if versions.is_some_and(|versions| !versions.contains(&version)) {
        return Ok(Updated::VersionMismatch);
    }
    sqlx::query!(
        "UPDATE webhooks_webhooks
         SET deleted_at = ?2, headers = x'', secret = x'', previous_secret = NULL, previous_secret_until = NULL
         WHERE id = ?1",
        webhook,
        at
    )
    .execute(&mut *conn)
    .await
    .map_err(error::database)?;
    sqlx::query!("DELETE FROM webhooks_subscriptions WHERE webhook_id = ?1", webhook)
        .execute(&mut *conn)
        .await
        .map_err(error::database)?;
    health::forget(&mut *conn, &webhook).await?;
    rows::replay::hurry(&mut *conn, &webhook, now).await?;
    cancel_waiting(conn, id, now).await?;
    Ok(Updated::Applied)
}

/// Cancels some of a webhook's waiting deliveries; an attempt in flight is still recorded. Returns whether
/// there may be more.
async fn cancel_waiting(
    conn: &mut SqliteConnection,
    id: WebhookId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (webhook, at) = (bytes(id), micros(now));
    let cancelled = sqlx::query!(
        "UPDATE webhooks_deliveries
         SET status = 'cancelled', reason = 'webhook_deleted', finished_at = ?2, claimable_at = NULL,
           deferred_until = NULL
         WHERE id IN (SELECT id FROM webhooks_deliveries INDEXED BY webhooks_deliveries_by_webhook_id_due_at
           WHERE webhook_id = ?1 AND claimable_at IS NOT NULL AND lease_token IS NULL LIMIT ?3)",
        webhook,
        at,
        CANCEL_STEP
    )
    .execute(conn)
    .await
    .map_err(error::database)?;
    Ok(cancelled.rows_affected() == CANCEL_STEP.unsigned_abs())
}
