//! Public keys of webhooks that were created before public keys were stored beside the secrets.

use rdev_keyring::Keyring;
use rdev_webhooks_domain::WebhookId;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::signing::SigningScheme;
use uuid::Uuid;

use crate::connect::Pool;
use crate::error::describe;
use crate::rotate::public_key;
use crate::sealing::{Sealed, open_secret};

struct Lacking {
    id: Uuid,
    version: i64,
    secret: Vec<u8>,
    previous_secret: Option<Vec<u8>>,
}

/// Stores the missing public keys. They are part of the webhook, so its version is raised; a concurrent
/// rotation of the secret stores them itself.
pub(crate) async fn fill(pool: &Pool, keyring: &Keyring) -> Result<(), StoreError> {
    let lacking = pool
        .run(async |conn| {
            sqlx::query_as!(
                Lacking,
                "SELECT id, version, secret, previous_secret FROM rdev_webhooks.webhooks
                 WHERE signing = $1 AND public_key IS NULL AND deleted_at IS NULL",
                SigningScheme::Ed25519.as_str()
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await?;
    for webhook in lacking {
        let id = WebhookId::from_uuid(webhook.id);
        let open = |column, sealed| Ok(public_key(&open_secret(keyring, column, id, sealed)?));
        let previous = webhook.previous_secret.as_deref();
        let previous = previous.map(|sealed| open(Sealed::PreviousSecret, sealed)).transpose();
        // A damaged secret affects no other webhook: its use will report it.
        let (current, previous) = match (open(Sealed::Secret, &webhook.secret), previous) {
            (Ok(current), Ok(previous)) => (current, previous.flatten()),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(webhook = %id, error = %describe(&error), "cannot determine the webhook's public key");
                continue;
            }
        };
        pool.run(async |conn| {
            sqlx::query!(
                "UPDATE rdev_webhooks.webhooks
                 SET public_key = $3, previous_public_key = $4, version = version + 1
                 WHERE id = $1 AND version = $2",
                webhook.id,
                webhook.version,
                current,
                previous
            )
            .execute(&mut **conn)
            .await
        })
        .await?;
    }
    Ok(())
}
