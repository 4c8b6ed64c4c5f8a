//! Recording of attempts.

use std::collections::BTreeMap;

use rdev_webhooks_domain::health::Tally;
use rdev_webhooks_domain::{DisabledReason, HealthEffect, Settled, Settlement, Timestamp, WebhookId};
use rdev_webhooks_store::Transition;
use sqlx::SqliteConnection;

use super::batch::DeliveryBatch;
use super::report::Reports;
use crate::error::DbError;
use crate::rows::delivery::{self, StoredState};
use crate::rows::{attempt, micros};
use crate::webhooks::health;

/// A decision about a webhook, and the position of the settlement that caused it.
pub(super) struct Decided {
    pub(super) transition: Transition,
    pub(super) cause: Option<usize>,
}

/// The result of recording settlements.
pub(super) struct Recorded {
    /// Whether the lease of each was valid.
    pub(super) valid: Vec<bool>,
    /// The decisions that they caused.
    pub(super) decided: Vec<(WebhookId, Decided)>,
    /// The number of deliveries of the operational events that were published.
    pub(super) published: u64,
}

/// Records settlements.
pub(super) async fn settle(
    conn: &mut SqliteConnection,
    settlements: &[Settlement],
    now: Timestamp,
) -> Result<Recorded, DbError> {
    let leased = settlements.iter().map(|one| one.lease.delivery);
    let mut deliveries = DeliveryBatch::load(conn, leased).await?;
    let mut recorded = Vec::with_capacity(settlements.len());
    let mut attempts = Vec::with_capacity(settlements.len());
    let mut last_attempts = Vec::new();
    let mut gone = BTreeMap::new();
    let mut tallies: BTreeMap<WebhookId, Tally> = BTreeMap::new();
    let mut last_failures = BTreeMap::new();
    let mut reports = Reports::new(deliveries.wanted());
    for (index, settlement) in settlements.iter().enumerate() {
        let Some((webhook, deleted)) = settle_one(&mut deliveries, settlement, now) else {
            recorded.push(false);
            continue;
        };
        recorded.push(true);
        if let Some(attempt) = &settlement.attempt {
            attempts.push((settlement.lease.delivery, attempt));
            // NULL from the beginning stands for the usual success.
            if settlement.settled != Settled::Succeeded || attempt.number > 1 || !attempt.is_plain() {
                last_attempts.push((settlement.lease.delivery, attempt));
            }
        }
        if let Some(version) = settlement.gone {
            gone.insert(webhook, version);
            last_failures.insert(webhook, index);
        }
        if settlement.health != HealthEffect::None && !deleted {
            tallies.entry(webhook).or_default().add(settlement.health);
            if settlement.health != HealthEffect::Succeeded {
                last_failures.insert(webhook, index);
            }
        }
        reports.note(&deliveries, webhook, settlement);
    }
    deliveries.save(conn).await?;
    attempt::record(conn, now, attempts).await?;
    delivery::save_last_attempts(conn, last_attempts).await?;
    let mut transitions = record_health(conn, &tallies, &mut reports, now).await?;
    let disabled = disable(conn, gone, now).await?;
    let mut published = match disabled.is_empty() {
        true => 0,
        false => health::publish_disabled(conn, disabled.iter().copied(), DisabledReason::Gone, now).await?,
    };
    published += reports.publish(conn, &deliveries, now).await?;
    transitions.extend(disabled.into_iter().map(|webhook| (webhook, Transition::Gone)));
    let decided = transitions.into_iter().map(|(webhook, transition)| {
        (webhook, Decided { transition, cause: last_failures.get(&webhook).copied() })
    });
    Ok(Recorded { valid: recorded, decided: decided.collect(), published })
}

/// Applies the attempts to the health of the endpoints, and returns the circuits that opened or closed. Does
/// not write the health of an endpoint that works and worked before.
async fn record_health(
    conn: &mut SqliteConnection,
    tallies: &BTreeMap<WebhookId, Tally>,
    reports: &mut Reports<'_>,
    now: Timestamp,
) -> Result<Vec<(WebhookId, Transition)>, DbError> {
    let mut transitions = Vec::new();
    if tallies.is_empty() {
        return Ok(transitions);
    }
    let known = health::load(&mut *conn, tallies.keys().copied()).await?;
    let mut changed = BTreeMap::new();
    for (webhook, tally) in tallies {
        let before = known.get(webhook).copied().unwrap_or_default();
        let mut health = before;
        health.record(*tally, now);
        reports.record(*webhook, &before, &mut health);
        if health != before {
            changed.insert(*webhook, health);
        }
        match (before.open_count, health.open_count) {
            (0, 1..) => transitions.push((*webhook, Transition::Opened)),
            (1.., 0) => transitions.push((*webhook, Transition::Closed)),
            _ => {}
        }
    }
    health::save(conn, &changed).await?;
    Ok(transitions)
}

/// Makes the transition, and returns the delivery's webhook and whether that was deleted; `None` if the lease
/// was lost.
fn settle_one(
    deliveries: &mut DeliveryBatch,
    settlement: &Settlement,
    now: Timestamp,
) -> Option<(WebhookId, bool)> {
    let mut delivery = deliveries.unfinished(settlement.lease.delivery)?;
    let webhook = delivery.webhook;
    let deleted = delivery.webhook_deleted;
    let ended = delivery.progress.settle(settlement.lease.token, settlement.settled, now, deleted).ok()?;
    let progress = delivery.progress;
    delivery.set(match ended {
        Some(state) => StoredState::ended(&progress, state),
        None => StoredState::Unfinished(progress),
    });
    Some((webhook, deleted))
}

/// Disables webhooks whose endpoints are gone, each only if it still has the version of the attempt. Returns
/// the disabled ones.
async fn disable(
    conn: &mut SqliteConnection,
    webhooks: BTreeMap<WebhookId, u64>,
    now: Timestamp,
) -> Result<Vec<WebhookId>, DbError> {
    let mut disabled = Vec::new();
    let (reason, now) = (DisabledReason::Gone.as_str(), micros(now));
    for (webhook, version) in webhooks {
        let id = webhook.as_uuid().as_bytes().to_vec();
        // No webhook has a version beyond the database's numbers.
        let version = i64::try_from(version).unwrap_or(-1);
        let done = sqlx::query!(
            "UPDATE webhooks_webhooks SET disabled_reason = ?2, disabled_at = ?3, updated_at = ?3, version = version + 1
             WHERE id = ?1 AND version = ?4 AND disabled_at IS NULL AND deleted_at IS NULL",
            id,
            reason,
            now,
            version
        )
        .execute(&mut *conn)
        .await?;
        if done.rows_affected() > 0 {
            disabled.push(webhook);
        }
    }
    Ok(disabled)
}
