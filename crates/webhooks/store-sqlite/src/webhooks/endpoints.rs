//! The webhooks that a claim needs, as workers use them.

use std::collections::HashMap;
use std::sync::Arc;

use rdev_keyring::Keyring;
use rdev_webhooks_domain::endpoint_cache::EndpointCache;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{DeliveryTarget, WebhookId};
use rdev_webhooks_store::damage;
use sqlx::SqliteConnection;
use tokio::time::Instant;

use super::rows as webhook;
use crate::error::DbError;
use crate::json;
use crate::secrets::sealing::{self, SealedSecrets};

/// Returns the targets of these webhooks in these versions, which the caller has just read on the same
/// connection. Omits unreadable webhooks, and logs their errors.
pub(crate) async fn load(
    conn: &mut SqliteConnection,
    cache: &EndpointCache,
    keyring: &Keyring,
    versions: &HashMap<WebhookId, u64>,
) -> Result<HashMap<WebhookId, Arc<DeliveryTarget>>, DbError> {
    let (mut found, missing) = cache.get_all(versions);
    if missing.is_empty() {
        return Ok(found);
    }
    let missing = json::ids(missing.iter().map(WebhookId::as_uuid))?;
    let rows = sqlx::query_as!(
        TargetRow,
        "SELECT id, version, url, headers, secret, previous_secret, previous_secret_until, retry, timeout_ns, format
         FROM webhooks_webhooks WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
        missing
    )
    .fetch_all(conn)
    .await?;
    for row in rows {
        let id = webhook::id(&row.id);
        match row.target(keyring) {
            Ok(target) => {
                found.insert(target.webhook_id, cache.insert(target));
            }
            Err(error) => {
                damage::log(&error);
                if let Ok(id) = id {
                    cache.insert_unreadable(id, Instant::now().into_std());
                }
            }
        }
    }
    Ok(found)
}

struct TargetRow {
    id: Vec<u8>,
    version: i64,
    url: String,
    headers: Vec<u8>,
    secret: Vec<u8>,
    previous_secret: Option<Vec<u8>>,
    previous_secret_until: Option<i64>,
    retry: String,
    timeout_ns: Option<i64>,
    format: String,
}

impl TargetRow {
    fn target(self, keyring: &Keyring) -> Result<DeliveryTarget, StoreError> {
        let id = webhook::id(&self.id)?;
        let row = webhook::row(&id);
        let secrets = SealedSecrets {
            current: self.secret,
            previous: self.previous_secret,
            previous_until: self.previous_secret_until,
            ..SealedSecrets::default()
        };
        Ok(DeliveryTarget {
            webhook_id: id,
            version: row.number("version", self.version)?,
            url: row.parse("url", &self.url)?,
            headers: sealing::open_headers(keyring, id, &self.headers)?,
            secrets: sealing::open_secrets(keyring, id, &secrets)?,
            retry: row.parse("retry", &self.retry)?,
            timeout: webhook::timeout(&row, self.timeout_ns)?,
            format: row.parse("format", &self.format)?,
        })
    }
}
