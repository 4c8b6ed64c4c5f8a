//! The cache of webhooks for workers: the secrets of each are decrypted once per version.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdev_keyring::Keyring;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{DeliveryTarget, WebhookId};
use sqlx::SqliteConnection;
use tokio::time::Instant;

use crate::error::DbError;
use crate::secrets::sealing::{self, SealedSecrets};
use crate::webhooks::rows as webhook;
use crate::{damage, json};

/// Maximum number of targets kept.
const CAPACITY: usize = 10_000;

/// The time for which an unreadable webhook is skipped.
const UNREADABLE_FOR: Duration = Duration::from_secs(60);

/// The targets that claims have needed. A changed webhook has another version, and is read again.
#[derive(Default)]
pub(crate) struct Targets {
    known: Mutex<HashMap<WebhookId, Arc<DeliveryTarget>>>,
    /// Until when unreadable webhooks are skipped.
    unreadable: Mutex<HashMap<WebhookId, Instant>>,
}

impl Targets {
    /// Returns the targets of these webhooks in these versions, which the caller has just read on the same
    /// connection.
    pub(crate) async fn get(
        &self,
        conn: &mut SqliteConnection,
        keyring: &Keyring,
        versions: &HashMap<WebhookId, u64>,
    ) -> Result<HashMap<WebhookId, Arc<DeliveryTarget>>, DbError> {
        let mut found = self.known(versions);
        if found.len() == versions.len() {
            return Ok(found);
        }
        let missing = versions.keys().filter(|id| !found.contains_key(id));
        let missing = json::ids(missing.map(WebhookId::as_uuid))?;
        let rows = sqlx::query_as!(
            TargetRow,
            "SELECT id, version, url, headers, secret, previous_secret, previous_secret_until, retry, timeout_ns
             FROM webhooks_webhooks WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
            missing
        )
        .fetch_all(conn)
        .await?;
        for row in rows {
            let id = webhook::id(&row.id);
            match row.target(keyring) {
                Ok(target) => {
                    let target = Arc::new(target);
                    self.keep(&target);
                    found.insert(target.webhook_id, target);
                }
                Err(error) => {
                    damage::log(&error);
                    if let Ok(id) = id {
                        self.leave_alone(id);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Returns whether a webhook is unreadable, so that a claim for it is pointless.
    pub(crate) fn is_unreadable(&self, id: WebhookId) -> bool {
        let unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        unreadable.get(&id).is_some_and(|until| Instant::now() < *until)
    }

    fn leave_alone(&self, id: WebhookId) {
        let mut unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        unreadable.retain(|_, until| now < *until);
        unreadable.insert(id, now + UNREADABLE_FOR);
    }

    fn known(&self, versions: &HashMap<WebhookId, u64>) -> HashMap<WebhookId, Arc<DeliveryTarget>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let of_version = |(id, version): (&WebhookId, &u64)| {
            let target = known.get(id).filter(|target| target.version == *version)?;
            Some((*id, Arc::clone(target)))
        };
        versions.iter().filter_map(of_version).collect()
    }

    fn keep(&self, target: &Arc<DeliveryTarget>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // With so many webhooks, decrypting them again occasionally is the smallest cost.
        if known.len() >= CAPACITY && !known.contains_key(&target.webhook_id) {
            known.clear();
        }
        known.insert(target.webhook_id, Arc::clone(target));
    }
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
        })
    }
}
