//! Recording how attempts ended.

use std::collections::BTreeSet;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{DisabledReason, Settlement, Timestamp, WebhookId};
use sqlx::SqliteConnection;

use super::stages::Stages;
use crate::rows::delivery::Stage;
use crate::rows::{attempt, micros};
use crate::{error, json};

/// Records settlements, and says for each whether its lease still held.
pub(super) async fn settle(
    conn: &mut SqliteConnection,
    settlements: &[Settlement],
    now: Timestamp,
) -> Result<Vec<bool>, StoreError> {
    let deliveries = settlements.iter().map(|one| one.lease.delivery);
    let mut stages = Stages::load(conn, deliveries).await?;
    let mut recorded = Vec::with_capacity(settlements.len());
    let mut attempts = Vec::with_capacity(settlements.len());
    let mut gone = BTreeSet::new();
    for settlement in settlements {
        let Some(webhook) = settle_one(&mut stages, settlement, now) else {
            recorded.push(false);
            continue;
        };
        recorded.push(true);
        attempts.extend(settlement.attempt.iter().map(|attempt| (settlement.lease.delivery, attempt)));
        if settlement.gone {
            gone.insert(webhook);
        }
    }
    stages.save(conn).await?;
    attempt::record(conn, attempts).await?;
    if !gone.is_empty() {
        disable(conn, &gone, now).await?;
    }
    Ok(recorded)
}

/// Makes the transition, and says whose delivery it was; none if the lease was lost.
fn settle_one(stages: &mut Stages, settlement: &Settlement, now: Timestamp) -> Option<WebhookId> {
    let mut delivery = stages.unfinished(settlement.lease.delivery)?;
    let webhook = delivery.webhook;
    let deleted = delivery.webhook_deleted;
    let ended = delivery.progress.settle(settlement.lease.token, settlement.settled, now, deleted).ok()?;
    let progress = delivery.progress;
    delivery.set(match ended {
        Some(state) => Stage::ended(&progress, state),
        None => Stage::Unfinished(progress),
    });
    Some(webhook)
}

/// Disables webhooks whose endpoints are gone.
async fn disable(
    conn: &mut SqliteConnection,
    webhooks: &BTreeSet<WebhookId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let ids = json::ids(webhooks.iter().map(WebhookId::as_uuid))?;
    let (reason, now) = (DisabledReason::Gone.as_str(), micros(now));
    sqlx::query!(
        "UPDATE webhooks SET disabled_reason = ?2, disabled_since = ?3, updated_at = ?3, version = version + 1
         WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND disabled_since IS NULL AND deleted_at IS NULL",
        ids,
        reason,
        now
    )
    .execute(conn)
    .await
    .map_err(error::database)?;
    Ok(())
}
