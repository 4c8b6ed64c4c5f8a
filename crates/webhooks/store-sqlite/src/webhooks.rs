//! [`WebhookRepository`].

mod delete;
pub(crate) mod endpoints;
mod expiry;
pub(crate) mod health;
mod list;
mod rates;
mod rotate;
pub(crate) mod rows;
mod save;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{Rotated, StoreError, Updated, WebhookRepository};
use rdev_webhooks_domain::{
    Access, Health, Page, PageRequest, SecretRotation, SigningSecrets, Timestamp, Webhook, WebhookFilter,
    WebhookId,
};

use crate::SqliteStore;
use crate::secrets::sealing;

#[async_trait]
impl WebhookRepository for SqliteStore {
    async fn create(&self, webhook: &Webhook, secrets: &SigningSecrets) -> Result<(), StoreError> {
        let sealed = sealing::seal_secrets(&self.keyring, webhook.id, secrets)?;
        let columns = rows::Columns::new(webhook, &self.keyring)?;
        self.write(move |conn, _| Box::pin(async move { save::create(conn, columns, sealed).await })).await
    }

    async fn get(&self, access: &Access, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let row = list::get(&mut *self.reader().await?, id).await?;
        let webhook = row.map(|row| row.webhook(&self.keyring)).transpose()?;
        Ok(webhook.filter(|webhook| webhook.is_visible_to(access)))
    }

    async fn list(
        &self,
        access: &Access,
        filter: &WebhookFilter,
        page: PageRequest<WebhookId>,
    ) -> Result<Page<Webhook>, StoreError> {
        Ok(list::list(&mut *self.listings.begin().await?, &self.keyring, access, filter, page).await?)
    }

    async fn update(&self, webhook: &Webhook) -> Result<Updated, StoreError> {
        let columns = rows::Columns::new(webhook, &self.keyring)?;
        self.write_and_wake(
            move |conn, now| Box::pin(async move { save::update(conn, columns, now).await }),
            // The change may have enabled the webhook, with deliveries that waited for that.
            |updated| *updated == Updated::Applied,
        )
        .await
    }

    async fn rotate_secret(
        &self,
        access: &Access,
        id: WebhookId,
        rotation: &SecretRotation,
    ) -> Result<Rotated, StoreError> {
        let (access, rotation, keyring) = (access.clone(), rotation.clone(), Arc::clone(&self.keyring));
        self.write(move |conn, _| {
            Box::pin(async move { rotate::rotate(conn, &keyring, &access, id, rotation).await })
        })
        .await
    }

    async fn secrets(&self, access: &Access, id: WebhookId) -> Result<Option<SigningSecrets>, StoreError> {
        Ok(rotate::secrets(&mut *self.reader().await?, &self.keyring, access, id).await?)
    }

    async fn delete(
        &self,
        access: &Access,
        id: WebhookId,
        versions: Option<&[u64]>,
    ) -> Result<Updated, StoreError> {
        let (access, versions) = (access.clone(), versions.map(<[u64]>::to_vec));
        let deleted = self
            .write(move |conn, now| {
                Box::pin(async move { delete::mark_deleted(conn, &access, id, versions, now).await })
            })
            .await?;
        // A long queue is cancelled in steps that let other writes run. If a step fails, or the process dies
        // between two of them, pruning finishes the work: the webhook is deleted all the same.
        let mut has_more = deleted == Updated::Applied;
        while has_more {
            let step = self
                .write(move |conn, now| Box::pin(async move { delete::cancel_waiting(conn, id, now).await }));
            has_more = step.await.unwrap_or_else(|error| {
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
        let known = health::load(&mut *self.reader().await?, ids.iter().copied()).await?;
        Ok(ids.iter().map(|id| known.get(id).copied().unwrap_or_default()).collect())
    }

    async fn spent_rates(&self, ids: &[WebhookId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        Ok(rates::spent(&mut *self.reader().await?, ids).await?)
    }

    async fn disable_failing(
        &self,
        after: Duration,
        limit: u32,
    ) -> Result<Vec<(WebhookId, Timestamp)>, StoreError> {
        let (disabled, _) = self
            .write_and_wake(
                move |conn, now| {
                    Box::pin(async move { health::disable_failing(conn, after, limit, now).await })
                },
                |(_, deliveries)| *deliveries > 0,
            )
            .await?;
        Ok(disabled)
    }

    async fn disable_expired(&self, limit: u32) -> Result<Vec<WebhookId>, StoreError> {
        // Nearly every pass finds nothing, and must not write.
        if !expiry::is_due(&mut *self.reader().await?, self.clock.now()).await? {
            return Ok(Vec::new());
        }
        let (disabled, _) = self
            .write_and_wake(
                move |conn, now| Box::pin(async move { expiry::disable_expired(conn, limit, now).await }),
                |(_, deliveries)| *deliveries > 0,
            )
            .await?;
        Ok(disabled)
    }
}

fn bytes(id: WebhookId) -> Vec<u8> {
    id.as_uuid().as_bytes().to_vec()
}
