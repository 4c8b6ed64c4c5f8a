//! [`WebhookRepository`] on Postgres.

pub(crate) mod endpoints;
mod expiry;
pub(crate) mod health;
mod rates;
mod rotate;
pub(crate) mod rows;
pub(crate) mod sweep;

use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{Rotated, StoreError, Updated, WebhookRepository};
use rdev_webhooks_domain::{
    Access, Health, Page, PageRequest, SecretRotation, SigningSecrets, Timestamp, WakeUp, Webhook,
    WebhookFilter, WebhookId, WebhookState,
};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::convert::texts;
use crate::error::describe;
use crate::replays;
use crate::store::PostgresStore;
use crate::visible;
use rows::{Columns, SealedSecrets, WebhookRow, to_webhook, webhook_rows};

#[async_trait]
impl WebhookRepository for PostgresStore {
    async fn create(&self, webhook: &Webhook, secrets: &SigningSecrets) -> Result<(), StoreError> {
        let columns = Columns::new(&self.inner.keyring, webhook)?;
        let sealed = SealedSecrets::new(&self.inner.keyring, webhook.id, secrets)?;
        self.inner
            .write()
            .run(async |conn| {
                let mut tx = conn.begin().await?;
                let is_created = rows::insert(&mut tx, webhook, &columns, &sealed).await?;
                if is_created {
                    keep_limits(&mut tx, webhook).await?;
                    subscribe(&mut tx, webhook).await?;
                }
                tx.commit().await
            })
            .await
    }

    async fn get(&self, access: &Access, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let row = self
            .inner
            .browse()
            .run(async |conn| {
                webhook_rows!(
                    "SELECT",
                    "FROM rdev_webhooks.webhooks WHERE id = $1 AND deleted_at IS NULL",
                    id.as_uuid()
                )
                .fetch_optional(&mut **conn)
                .await
            })
            .await?;
        let webhook = row.map(|row| to_webhook(&self.inner.keyring, row)).transpose()?;
        Ok(webhook.filter(|webhook| webhook.is_visible_to(access)))
    }

    async fn list(
        &self,
        access: &Access,
        filter: &WebhookFilter,
        page: PageRequest<WebhookId>,
    ) -> Result<Page<Webhook>, StoreError> {
        let patterns: Option<Vec<String>> =
            filter.event_type.as_ref().map(|event_type| event_type.matching_patterns().collect());
        let visible_to = visible::projects(access);
        let metadata = filter.metadata.as_map();
        let metadata = (!metadata.is_empty()).then(|| serde_json::to_string(metadata)).transpose();
        let metadata = metadata.map_err(|error| StoreError::Internal(error.into()))?;
        let ids = filter.ids.as_ref().map(|ids| ids.iter().map(|id| id.as_uuid()).collect::<Vec<_>>());
        let rows = self
            .inner
            .listings()
            .run(async |conn| {
                webhook_rows!(
                    "SELECT",
                    "FROM rdev_webhooks.webhooks
                     WHERE deleted_at IS NULL
                         AND ($1::uuid IS NULL OR id < $1)
                         AND ($2::text[] IS NULL OR events && $2)
                         AND ($3::text IS NULL OR projects = '{}' OR $3 = ANY(projects))
                         AND ($4::bool IS NULL OR (disabled_at IS NULL) = $4)
                         AND rdev_webhooks.is_visible(projects, $6)
                         AND ($7::text IS NULL OR metadata @> $7::text::jsonb)
                         AND ($8::uuid[] IS NULL OR id = ANY($8))
                     ORDER BY id DESC LIMIT $5",
                    page.before.map(|before| before.as_uuid()),
                    patterns.as_deref(),
                    filter.project.as_ref().map(|project| project.as_str()),
                    filter.enabled,
                    i64::from(page.limit) + 1,
                    visible_to.as_deref(),
                    metadata,
                    ids.as_deref(),
                )
                .fetch_all(&mut **conn)
                .await
            })
            .await?;
        let id = |row: &WebhookRow| WebhookId::from_uuid(row.id).to_string();
        Page::read(rows, page.limit, id, |row| to_webhook(&self.inner.keyring, row))
    }

    async fn update(&self, webhook: &Webhook) -> Result<Updated, StoreError> {
        let columns = Columns::new(&self.inner.keyring, webhook)?;
        let updated = self
            .inner
            .write()
            .run(async |conn| {
                let mut tx = conn.begin().await?;
                // The row's lock excludes all other changes of this webhook until the end.
                let stored = sqlx::query!(
                    "SELECT version, url, events, projects, disabled_reason FROM rdev_webhooks.webhooks
                     WHERE id = $1 AND deleted_at IS NULL FOR UPDATE",
                    webhook.id.as_uuid()
                )
                .fetch_optional(&mut *tx)
                .await?;
                let Some(stored) = stored else {
                    return Ok(Updated::NotFound);
                };
                if stored.version.checked_add(1) != Some(columns.version) {
                    return Ok(Updated::VersionMismatch);
                }
                let is_enabled_again = stored.disabled_reason.is_some() && columns.disabled_reason.is_none();
                let leads_elsewhere = stored.url != webhook.settings.url.as_str();
                if is_enabled_again || leads_elsewhere || stored.projects != columns.projects {
                    forget_health(&mut tx, webhook.id.as_uuid()).await?;
                }
                rows::update(&mut tx, webhook, &columns).await?;
                keep_limits(&mut tx, webhook).await?;
                let is_enabled = columns.disabled_reason.is_none();
                let is_found_as_before = stored.events == columns.events
                    && stored.projects == columns.projects
                    && stored.disabled_reason.is_none() == is_enabled;
                if !is_found_as_before {
                    unsubscribe(&mut tx, webhook.id.as_uuid(), Some(webhook)).await?;
                    subscribe(&mut tx, webhook).await?;
                }
                replays::make_due(&mut tx, webhook.id.as_uuid()).await?;
                tx.commit().await?;
                Ok(Updated::Applied)
            })
            .await?;
        if updated == Updated::Applied {
            // The change may have enabled the webhook, with deliveries that waited for that.
            self.inner.wakeups.wake(1, WakeUp::Any);
        }
        Ok(updated)
    }

    async fn rotate_secret(
        &self,
        access: &Access,
        id: WebhookId,
        rotation: &SecretRotation,
    ) -> Result<Rotated, StoreError> {
        rotate::rotate(self, access, id, rotation).await
    }

    async fn secrets(&self, access: &Access, id: WebhookId) -> Result<Option<SigningSecrets>, StoreError> {
        rotate::secrets(self, access, id).await
    }

    async fn delete(
        &self,
        access: &Access,
        id: WebhookId,
        versions: Option<&[u64]>,
    ) -> Result<Updated, StoreError> {
        let visible_to = visible::projects(access);
        let deleted = self
            .inner
            .write()
            .run(async |conn| {
                let mut tx = conn.begin().await?;
                // The row's lock excludes all other changes of this webhook until the end.
                let stored = sqlx::query_scalar!(
                    "SELECT version FROM rdev_webhooks.webhooks
                     WHERE id = $1 AND deleted_at IS NULL AND rdev_webhooks.is_visible(projects, $2)
                     FOR UPDATE",
                    id.as_uuid(),
                    visible_to.as_deref(),
                )
                .fetch_optional(&mut *tx)
                .await?;
                let Some(stored) = stored else {
                    return Ok(Updated::NotFound);
                };
                let is_meant = |version: &u64| i64::try_from(*version) == Ok(stored);
                if versions.is_some_and(|versions| !versions.iter().any(is_meant)) {
                    return Ok(Updated::VersionMismatch);
                }
                sqlx::query!(
                    "UPDATE rdev_webhooks.webhooks SET deleted_at = rdev_webhooks.now() WHERE id = $1",
                    id.as_uuid(),
                )
                .execute(&mut *tx)
                .await?;
                unsubscribe(&mut tx, id.as_uuid(), None).await?;
                forget_health(&mut tx, id.as_uuid()).await?;
                replays::make_due(&mut tx, id.as_uuid()).await?;
                tx.commit().await?;
                Ok(Updated::Applied)
            })
            .await?;
        if deleted == Updated::Applied {
            // Only after the commit do published events no longer find the webhook. The upkeep cancels
            // deliveries that were being published or settled at this moment.
            let cancelled = sweep::cancel_waiting(self.inner.browse(), id).await;
            if let Err(error) = cancelled {
                tracing::warn!(webhook = %id, error = %describe(&error), "webhook deleted; its deliveries will be cancelled later");
            }
        }
        Ok(deleted)
    }

    async fn health(&self, ids: &[WebhookId]) -> Result<Vec<Health>, StoreError> {
        health::of(&self.inner, ids).await
    }

    async fn spent_rates(&self, ids: &[WebhookId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        rates::spent(&self.inner, ids).await
    }

    async fn disable_failing(
        &self,
        after: Duration,
        limit: u32,
    ) -> Result<Vec<(WebhookId, Timestamp)>, StoreError> {
        health::disable_failing(&self.inner, after, limit).await
    }

    async fn disable_expired(&self, limit: u32) -> Result<Vec<WebhookId>, StoreError> {
        expiry::disable_expired(&self.inner, limit).await
    }
}

/// Writes the subscriptions of an enabled webhook; a disabled one has none.
async fn subscribe(conn: &mut PgConnection, webhook: &Webhook) -> Result<(), sqlx::Error> {
    let (patterns, projects) = subscriptions(webhook);
    sqlx::query!(
        "INSERT INTO rdev_webhooks.subscriptions (pattern, project, webhook_id)
         SELECT pattern, project, $1 FROM unnest($2::text[]) AS p(pattern), unnest($3::text[]) AS q(project)
         ON CONFLICT DO NOTHING",
        webhook.id.as_uuid(),
        &patterns,
        &projects,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes the subscriptions of a webhook, except those that it keeps.
async fn unsubscribe(
    conn: &mut PgConnection,
    id: Uuid,
    keeping: Option<&Webhook>,
) -> Result<(), sqlx::Error> {
    let (patterns, projects) = keeping.map(subscriptions).unwrap_or_default();
    sqlx::query!(
        "DELETE FROM rdev_webhooks.subscriptions
         WHERE webhook_id = $1 AND NOT (pattern = ANY($2) AND project = ANY($3))",
        id,
        &patterns,
        &projects,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns the patterns and projects of a webhook's subscriptions, '' for all projects; none if it is
/// disabled.
fn subscriptions(webhook: &Webhook) -> (Vec<String>, Vec<String>) {
    if webhook.state != WebhookState::Enabled {
        return (Vec::new(), Vec::new());
    }
    let projects = match webhook.settings.projects.is_empty() {
        true => vec![String::new()],
        false => texts(&webhook.settings.projects),
    };
    (texts(&webhook.settings.events), projects)
}

/// Makes sure that a webhook with limits has a row in `shared_limits`, which claims lock, and that one without has none.
async fn keep_limits(conn: &mut PgConnection, webhook: &Webhook) -> Result<(), sqlx::Error> {
    if webhook.settings.rate_limit.is_some() || webhook.settings.max_in_flight.is_some() {
        sqlx::query!(
            "INSERT INTO rdev_webhooks.shared_limits (webhook_id) VALUES ($1) ON CONFLICT DO NOTHING",
            webhook.id.as_uuid()
        )
        .execute(conn)
        .await?;
    } else {
        sqlx::query!("DELETE FROM rdev_webhooks.shared_limits WHERE webhook_id = $1", webhook.id.as_uuid())
            .execute(conn)
            .await?;
    }
    Ok(())
}

async fn forget_health(conn: &mut PgConnection, webhook: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM rdev_webhooks.endpoint_health WHERE webhook_id = $1", webhook)
        .execute(conn)
        .await?;
    Ok(())
}
