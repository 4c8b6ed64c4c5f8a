//! The deliveries of a batch: read from the database, changed by the domain's transitions, and written back.

use std::collections::HashMap;

use rdev_webhooks_domain::delivery::Progress;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{DeliveryId, WantedReports, WebhookId};
use rdev_webhooks_store::damage;
use sqlx::SqliteConnection;

use crate::error::{self, DbError};
use crate::json;
use crate::rows::delivery::{self, StoredState, delivery_rows};
use crate::webhooks::rows as webhook;

/// The deliveries of a batch.
pub(super) struct DeliveryBatch {
    entries: HashMap<DeliveryId, Entry>,
    wanted: WantedReports,
}

struct Entry {
    webhook: WebhookId,
    webhook_deleted: bool,
    state: StoredState,
    changed: bool,
    event: DeliveredEvent,
}

/// The event of a delivery, as it is stored.
pub(super) struct DeliveredEvent {
    pub(super) id: Vec<u8>,
    pub(super) event_type: String,
    pub(super) project: Option<String>,
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
        for row in rows {
            let read = || Ok::<_, StoreError>((row.id()?, row.webhook_id()?, row.state()?));
            let Some((id, webhook, state)) = damage::leave_out(read()) else {
                continue;
            };
            there.insert(webhook, false);
            let event = DeliveredEvent { id: row.event_id, event_type: row.event_type, project: row.project };
            entries.insert(id, Entry { webhook, webhook_deleted: true, state, changed: false, event });
        }
        let (existing, wanted) = not_deleted(conn, there.keys()).await?;
        for id in existing {
            there.insert(id, true);
        }
        for entry in entries.values_mut() {
            entry.webhook_deleted = !there.get(&entry.webhook).copied().unwrap_or(false);
        }
        Ok(Self { entries, wanted })
    }

    /// Returns the operational events that some webhook subscribes to.
    pub(super) const fn wanted(&self) -> WantedReports {
        self.wanted
    }

    /// Returns the event of one of the deliveries, and the delivery's state.
    pub(super) fn event(&self, id: DeliveryId) -> Option<(&DeliveredEvent, &StoredState)> {
        self.entries.get(&id).map(|entry| (&entry.event, &entry.state))
    }

    /// Returns one of the deliveries, if it is unfinished.
    pub(super) fn unfinished(&mut self, id: DeliveryId) -> Option<Unfinished<'_>> {
        let entry = self.entries.get_mut(&id)?;
        let StoredState::Unfinished(progress) = entry.state else {
            return None;
        };
        let (webhook, webhook_deleted) = (entry.webhook, entry.webhook_deleted);
        Some(Unfinished { webhook, webhook_deleted, progress, entry })
    }

    /// Stores the changed deliveries.
    pub(super) async fn save(&self, conn: &mut SqliteConnection) -> Result<(), DbError> {
        let changed = self.entries.iter().filter(|(_, entry)| entry.changed);
        delivery::save(conn, changed.map(|(id, entry)| (*id, entry.state))).await
    }
}

impl Unfinished<'_> {
    /// Sets the state of the delivery.
    pub(super) fn set(self, state: StoredState) {
        self.entry.state = state;
        self.entry.changed = true;
    }
}

/// Returns those of the webhooks that exist, and the operational events that some webhook subscribes to.
async fn not_deleted(
    conn: &mut SqliteConnection,
    ids: impl Iterator<Item = &WebhookId>,
) -> Result<(Vec<WebhookId>, WantedReports), DbError> {
    let (ids, patterns) = (json::ids(ids.map(WebhookId::as_uuid))?, json::rows(&WantedReports::patterns())?);
    let rows = sqlx::query!(
        r#"SELECT id, (SELECT json_group_array(pattern.value) FROM json_each(?2) AS pattern
             WHERE EXISTS (SELECT 1 FROM webhooks_subscriptions AS s CROSS JOIN webhooks_webhooks AS w
               ON w.id = s.webhook_id AND w.disabled_at IS NULL AND w.deleted_at IS NULL
               WHERE s.pattern = pattern.value)) AS "subscribed!: String"
           FROM webhooks_webhooks
           WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND deleted_at IS NULL"#,
        ids,
        patterns
    )
    .fetch_all(conn)
    .await?;
    let wanted = match rows.first() {
        Some(row) => WantedReports::new(
            &serde_json::from_str::<Vec<String>>(&row.subscribed).map_err(error::internal)?,
        ),
        None => WantedReports::default(),
    };
    let existing = rows.iter().map(|row| webhook::id(&row.id)).collect::<Result<_, _>>()?;
    Ok((existing, wanted))
}
