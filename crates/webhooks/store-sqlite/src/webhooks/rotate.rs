//! The signing secrets of a webhook: reading and rotating them.

use rdev_keyring::Keyring;
use rdev_webhooks_domain::ports::Rotated;
use rdev_webhooks_domain::{Access, SecretRotation, SigningSecrets, Webhook, WebhookId};
use sqlx::SqliteConnection;

use super::rows::{self, webhook_rows};
use crate::error::DbError;
use crate::rows::micros;
use crate::secrets::sealing::{self, SealedSecrets};
use crate::visible;

/// Returns the secrets of a webhook that the caller sees.
pub(crate) async fn secrets(
    conn: &mut SqliteConnection,
    keyring: &Keyring,
    access: &Access,
    id: WebhookId,
) -> Result<Option<SigningSecrets>, DbError> {
    if !visible::webhook(conn, access, id.as_uuid().as_bytes()).await? {
        return Ok(None);
    }
    Ok(read_secrets(conn, keyring, id).await?.map(|(_, secrets)| secrets))
}

/// Replaces a webhook's secret. There is no other writer meanwhile.
pub(crate) async fn rotate(
    conn: &mut SqliteConnection,
    keyring: &Keyring,
    access: &Access,
    id: WebhookId,
    rotation: SecretRotation,
) -> Result<Rotated, DbError> {
    let key = id.as_uuid().as_bytes().to_vec();
    if !visible::webhook(conn, access, &key).await? {
        return Ok(Rotated::NotFound);
    }
    let Some((version, secrets)) = read_secrets(conn, keyring, id).await? else {
        return Ok(Rotated::NotFound);
    };
    if secrets.current == rotation.secret {
        return Ok(Rotated::Applied(Box::new(read(conn, keyring, key).await?)));
    }
    if rotation.versions.is_some_and(|versions| !versions.contains(&version)) {
        return Ok(Rotated::VersionMismatch);
    }
    let secrets = secrets.rotated(rotation.secret, rotation.previous_until);
    let sealed = sealing::seal_secrets(keyring, id, &secrets)?;
    let at = micros(rotation.at);
    sqlx::query!(
        "UPDATE webhooks_webhooks SET version = version + 1, updated_at = ?2, secret = ?3, public_key = ?4,
           previous_secret = ?5, previous_secret_until = ?6, previous_public_key = ?7
         WHERE id = ?1",
        key,
        at,
        sealed.current,
        sealed.public_key,
        sealed.previous,
        sealed.previous_until,
        sealed.previous_public_key
    )
    .execute(&mut *conn)
    .await?;
    Ok(Rotated::Applied(Box::new(read(conn, keyring, key).await?)))
}

/// Returns the version and the secrets of a webhook, unless it was deleted.
async fn read_secrets(
    conn: &mut SqliteConnection,
    keyring: &Keyring,
    id: WebhookId,
) -> Result<Option<(u64, SigningSecrets)>, DbError> {
    let key = id.as_uuid().as_bytes().to_vec();
    let stored = sqlx::query!(
        "SELECT version, secret, previous_secret, previous_secret_until FROM webhooks_webhooks
         WHERE id = ?1 AND deleted_at IS NULL",
        key
    )
    .fetch_optional(conn)
    .await?;
    let Some(stored) = stored else {
        return Ok(None);
    };
    let sealed = SealedSecrets {
        current: stored.secret,
        previous: stored.previous_secret,
        previous_until: stored.previous_secret_until,
        ..SealedSecrets::default()
    };
    let version = rows::row(&id).number("version", stored.version)?;
    Ok(Some((version, sealing::open_secrets(keyring, id, &sealed)?)))
}

async fn read(conn: &mut SqliteConnection, keyring: &Keyring, key: Vec<u8>) -> Result<Webhook, DbError> {
    let row = webhook_rows!("WHERE w.id = ?1", key).fetch_one(conn).await?;
    Ok(row.webhook(keyring)?)
}
