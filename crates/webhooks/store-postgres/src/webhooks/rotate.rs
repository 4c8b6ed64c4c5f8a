//! The signing secrets of a webhook: reading and rotating them.

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::{Rotated, StoreError, WebhookRepository};
use rdev_webhooks_domain::signing::SigningSecret;
use rdev_webhooks_domain::{Access, SecretRotation, SigningSecrets, WebhookId};

use crate::convert::to_sql_time;
use crate::secrets::sealing::{PREVIOUS_SECRET, SECRET, open_secret, seal_secret};
use crate::store::{Inner, PostgresStore};
use crate::visible;
use crate::webhooks::rows::{WebhookRow, open_secrets, to_webhook, version, webhook_rows};

/// The maximum number of tries: another transaction may change the webhook between the read and the write.
const MAX_TRIES: u32 = 5;

/// The secrets of a webhook, as they are stored.
struct StoredSecrets {
    version: i64,
    secret: Vec<u8>,
    previous_secret: Option<Vec<u8>>,
    previous_secret_until: Option<DateTime<Utc>>,
}

/// Returns the public key of a secret, as its column stores it.
pub(crate) fn public_key(secret: &SigningSecret) -> Option<String> {
    secret.public_key().map(|key| key.to_string())
}

/// Returns the secrets of a webhook that the caller sees.
pub(crate) async fn secrets(
    store: &PostgresStore,
    access: &Access,
    id: WebhookId,
) -> Result<Option<SigningSecrets>, StoreError> {
    let inner = &*store.inner;
    let Some(stored) = read(inner, access, id).await? else {
        return Ok(None);
    };
    let previous = stored.previous_secret.zip(stored.previous_secret_until);
    open_secrets(&inner.keyring, id, &stored.secret, previous).map(Some)
}

/// Replaces a webhook's secret. Sealing and opening happen between two statements, so no lock is held
/// meanwhile; the version shows whether the read is still current.
pub(crate) async fn rotate(
    store: &PostgresStore,
    access: &Access,
    id: WebhookId,
    rotation: &SecretRotation,
) -> Result<Rotated, StoreError> {
    let inner = &*store.inner;
    for _ in 0..MAX_TRIES {
        let Some(stored) = read(inner, access, id).await? else {
            return Ok(Rotated::NotFound);
        };
        let current = open_secret(&inner.keyring, SECRET, id, &stored.secret)?;
        if current == rotation.secret {
            let webhook = store.get(access, id).await?;
            return Ok(webhook.map_or(Rotated::NotFound, |webhook| Rotated::Applied(Box::new(webhook))));
        }
        let known = version(id, stored.version)?;
        if rotation.versions.as_ref().is_some_and(|versions| !versions.contains(&known)) {
            return Ok(Rotated::VersionMismatch);
        }
        if let Some(row) = replace(inner, id, stored.version, &current, rotation).await? {
            return Ok(Rotated::Applied(Box::new(to_webhook(&inner.keyring, row)?)));
        }
    }
    Err(StoreError::Unavailable("the webhook is constantly being changed by other requests".into()))
}

/// Returns the stored secrets, if the caller can see the webhook. The visibility holds as long as the version
/// does.
async fn read(store: &Inner, access: &Access, id: WebhookId) -> Result<Option<StoredSecrets>, StoreError> {
    let visible_to = visible::projects(access);
    store
        .write()
        .run(async |conn| {
            sqlx::query_as!(
                StoredSecrets,
                "SELECT version, secret, previous_secret, previous_secret_until FROM rdev_webhooks.webhooks
                 WHERE id = $1 AND deleted_at IS NULL AND rdev_webhooks.is_visible(projects, $2)",
                id.as_uuid(),
                visible_to.as_deref(),
            )
            .fetch_optional(&mut **conn)
            .await
        })
        .await
}

/// Writes the new secret, unless the webhook's version has changed.
async fn replace(
    store: &Inner,
    id: WebhookId,
    version: i64,
    current: &SigningSecret,
    rotation: &SecretRotation,
) -> Result<Option<WebhookRow>, StoreError> {
    let secret = seal_secret(&store.keyring, SECRET, id, &rotation.secret)?;
    let until = rotation.previous_until;
    let previous = until.map(|_| seal_secret(&store.keyring, PREVIOUS_SECRET, id, current)).transpose()?;
    store
        .write()
        .run(async |conn| {
            webhook_rows!(
                "UPDATE rdev_webhooks.webhooks SET version = version + 1, updated_at = $3, secret = $4,
                     public_key = $5, previous_secret = $6, previous_secret_until = $7,
                     previous_public_key = $8
                 WHERE id = $1 AND version = $2 AND deleted_at IS NULL
                 RETURNING",
                "",
                id.as_uuid(),
                version,
                to_sql_time(rotation.at),
                secret,
                public_key(&rotation.secret),
                previous,
                until.map(to_sql_time),
                until.and_then(|_| public_key(current)),
            )
            .fetch_optional(&mut **conn)
            .await
        })
        .await
}
