//! Public keys of webhooks that were created before public keys were stored beside the secrets.

use rdev_keyring::Keyring;
use rdev_webhooks_domain::signing::SigningScheme;
use sqlx::SqliteConnection;

use crate::rows::webhook;
use crate::sealing::{self, SealedSecrets};

/// Stores the missing public keys. They are part of the webhook, so its version is raised.
pub(crate) async fn fill(conn: &mut SqliteConnection, keyring: &Keyring) -> Result<(), sqlx::Error> {
    let scheme = SigningScheme::Ed25519.as_str();
    let lacking = sqlx::query!(
        "SELECT id, secret, previous_secret, previous_secret_until FROM webhooks_webhooks
         WHERE signing = ?1 AND public_key IS NULL AND deleted_at IS NULL",
        scheme
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in lacking {
        let sealed = SealedSecrets {
            current: row.secret,
            previous: row.previous_secret,
            previous_until: row.previous_secret_until,
            ..SealedSecrets::default()
        };
        let secrets = webhook::id(&row.id).and_then(|id| sealing::open_secrets(keyring, id, &sealed));
        let secrets = match secrets {
            Ok(secrets) => secrets,
            Err(error) => {
                // A damaged secret affects no other webhook: its use will report it.
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "cannot determine a webhook's public key");
                continue;
            }
        };
        let current = sealing::public_key(&secrets.current);
        let previous = secrets.previous.and_then(|(secret, _)| sealing::public_key(&secret));
        sqlx::query!(
            "UPDATE webhooks_webhooks SET public_key = ?2, previous_public_key = ?3, version = version + 1
             WHERE id = ?1",
            row.id,
            current,
            previous
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}
