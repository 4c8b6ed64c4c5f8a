//! The deliveries of a batch: read from the database, changed by the domain's transitions, and written back.

use std::collections::HashMap;

use rdev_webhooks_domain::delivery::Progress;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{DeliveryId, WebhookId};
use sqlx::SqliteConnection;

use crate::error::DbError;
use crate::rows::delivery::{self, StoredState, delivery_rows};
use crate::webhooks::rows as webhook;
use crate::{damage, json};

/// The deliveries of a batch.
pub(super) struct DeliveryBatch(HashMap<DeliveryId, Entry>);

struct Entry {
    webhook: WebhookId,
    webhook_deleted: bool,
    state: StoredState,
    changed: bool,
}

/// An unfinished delivery of the batch, to be changed.
pub(super) struct Unfinished<'a> {
    pub(super) webhook: WebhookId,
    pub(super) webhook_deleted: bool,
    pub(super) progress: Progress,
    entry: &'a mut Entry,
}

impl DeliveryBatch {
    /// Reads deliveries; omits missing ones.
    pub(super) async fn load(
        conn: &mut SqliteConnection,
        ids: impl Iterator<Item = DeliveryId>,
    ) -> Result<Self, DbError> {
        let ids = json::ids(ids.map(|id| id.as_uuid()))?;
        let rows = delivery_rows!(
            "FROM webhooks_deliveries AS d WHERE d.id IN (SELECT unhex(value) FROM json_each(?1))",
            ids
        )
        .fetch_all(&mut *conn)
        .await?;
        let mut entries = HashMap::with_capacity(rows.len());
        let mut there: HashMap<WebhookId, bool> = HashMap::new();
        for row in &rows {
            let read = || Ok::<_, StoreError>((row.id()?, row.webhook_id()?, row.state()?));
            let Some((id, webhook, state)) = damage::leave_out(read()) else {
                continue;
            };
            there.insert(webhook, false);
            entries.insert(id, Entry { webhook, webhook_deleted: true, state, changed: false });
        }
        for id in not_deleted(conn, there.keys()).await? {
            there.insert(id, true);
        }
        for entry in entries.values_mut() {
            entry.webhook_deleted = !there.get(&entry.webhook).copied().unwrap_or(false);
        }
        Ok(Self(entries))
    }

    /// Returns one of the deliveries, if it is unfinished.
    pub(super) fn unfinished(&mut self, id: DeliveryId) -> Option<Unfinished<'_>> {
        let entry = self.0.get_mut(&id)?;
        let StoredState::Unfinished(progress) = entry.state else {
            return None;
        };
        let (webhook, webhook_deleted) = (entry.webhook, entry.webhook_deleted);
        Some(Unfinished { webhook, webhook_deleted, progress, entry })
    }

    /// Stores the changed deliveries.
    pub(super) async fn save(self, conn: &mut SqliteConnection) -> Result<(), DbError> {
        let changed = self.0.into_iter().filter(|(_, entry)| entry.changed);
        delivery::save(conn, changed.map(|(id, entry)| (id, entry.state))).await
    }
}

impl Unfinished<'_> {
    /// Sets the state of the delivery.
    pub(super) fn set(self, state: StoredState) {
        self.entry.state = state;
        self.entry.changed = true;
    }
}

async fn not_deleted(
    conn: &mut SqliteConnection,
    ids: impl Iterator<Item = &WebhookId>,
) -> Result<Vec<WebhookId>, DbError> {
    let ids = json::ids(ids.map(WebhookId::as_uuid))?;
    let rows = sqlx::query_scalar!(
        "SELECT id FROM webhooks_webhooks
         WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND deleted_at IS NULL",
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.iter().map(|id| webhook::id(id)).collect::<Result<_, _>>()?)
}
