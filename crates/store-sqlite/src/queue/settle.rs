//! Recording how attempts ended.

use std::collections::BTreeMap;

use rdev_webhooks_domain::health::Tally;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{DisabledReason, HealthEffect, Settlement, Timestamp, WebhookId};
use sqlx::SqliteConnection;

use super::stages::Stages;
use crate::rows::delivery::Stage;
use crate::rows::{attempt, micros};
use crate::{error, health};

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
    let mut gone = BTreeMap::new();
    let mut tallies: BTreeMap<WebhookId, Tally> = BTreeMap::new();
    for settlement in settlements {
        let Some((webhook, deleted)) = settle_one(&mut stages, settlement, now) else {
            recorded.push(false);
            continue;
        };
        recorded.push(true);
        attempts.extend(settlement.attempt.iter().map(|attempt| (settlement.lease.delivery, attempt)));
        if let Some(version) = settlement.gone {
            gone.insert(webhook, version);
        }
        if settlement.health != HealthEffect::None && !deleted {
            tallies.entry(webhook).or_default().add(settlement.health);
        }
    }
    stages.save(conn).await?;
    attempt::record(conn, now, attempts).await?;
    record_health(conn, &tallies, now).await?;
    if !gone.is_empty() {
        disable(conn, gone, now).await?;
    }
    Ok(recorded)
}

/// Takes in what the attempts say of the endpoints. What works and did so before is not written.
async fn record_health(
    conn: &mut SqliteConnection,
    tallies: &BTreeMap<WebhookId, Tally>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if tallies.is_empty() {
        return Ok(());
    }
    let known = health::load(&mut *conn, tallies.keys().copied()).await?;
    let mut changed = BTreeMap::new();
    for (webhook, tally) in tallies {
        let before = known.get(webhook).copied().unwrap_or_default();
        let mut health = before;
        health.record(*tally, now);
        if health != before {
            changed.insert(*webhook, health);
        }
    }
    health::save(conn, &changed).await
}

/// Makes the transition, and says whose delivery it was and whether that webhook was deleted; none if the
/// lease was lost.
fn settle_one(stages: &mut Stages, settlement: &Settlement, now: Timestamp) -> Option<(WebhookId, bool)> {
    let mut delivery = stages.unfinished(settlement.lease.delivery)?;
    let webhook = delivery.webhook;
    let deleted = delivery.webhook_deleted;
    let ended = delivery.progress.settle(settlement.lease.token, settlement.settled, now, deleted).ok()?;
    let progress = delivery.progress;
    delivery.set(match ended {
        Some(state) => Stage::ended(&progress, state),
        None => Stage::Unfinished(progress),
    });
    Some((webhook, deleted))
}

/// Disables webhooks whose endpoints are gone, each if it is still of the version that was tried.
async fn disable(
    conn: &mut SqliteConnection,
    webhooks: BTreeMap<WebhookId, u64>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (reason, now) = (DisabledReason::Gone.as_str(), micros(now));
    for (webhook, version) in webhooks {
        let id = webhook.as_uuid().as_bytes().to_vec();
        // A version that does not fit is no webhook's.
        let version = i64::try_from(version).unwrap_or(-1);
        sqlx::query!(
            "UPDATE webhooks SET disabled_reason = ?2, disabled_since = ?3, updated_at = ?3, version = version + 1
             WHERE id = ?1 AND version = ?4 AND disabled_since IS NULL AND deleted_at IS NULL",
            id,
            reason,
            now,
            version
        )
        .execute(&mut *conn)
        .await
        .map_err(error::database)?;
    }
    Ok(())
}
