//! The operational events that recorded attempts cause.

use std::collections::BTreeMap;

use rdev_webhooks_domain::{
    AffectedWebhook, DeliveryId, EventId, EventType, FailedAttempt, FailedDelivery, FailingWebhook,
    HealthEffect, OperationalEvent, RecoveredWebhook, Settled, Settlement, Timestamp, WantedReports,
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Recorded;
use crate::convert::{from_sql_time, to_u32};
use crate::events::publish::publish_in;
use crate::operational::affected;
use crate::store::Inner;

/// A recorded delivery.
struct Delivery {
    id: Uuid,
    webhook_id: Uuid,
    event_id: Uuid,
    event_type: String,
    project: Option<String>,
    attempts: i32,
}

/// Adds the events to the transaction that recorded the settlements. Returns the number of their deliveries.
pub(super) async fn report(
    tx: &mut PgConnection,
    store: &Inner,
    settlements: &[&Settlement],
    recorded: &[Recorded],
) -> Result<u64, sqlx::Error> {
    let wanted = wanted(tx).await?;
    let applied: BTreeMap<Uuid, &Settlement> = recorded
        .iter()
        .filter_map(|one| settlements.get(one.settlement()?).copied())
        .map(|settlement| (settlement.lease.delivery.as_uuid(), settlement))
        .collect();
    let has_failed = wanted.failed_deliveries
        && applied.values().any(|settlement| matches!(settlement.settled, Settled::Failed(_)));
    let of_circuits = |transition: &str| {
        let found = recorded.iter().filter(|_| wanted.circuits);
        found
            .filter_map(|one| Some((one.webhook(transition)?, one.failing_since?)))
            .collect::<BTreeMap<_, _>>()
    };
    let (opened, recovered) = (of_circuits("failing"), of_circuits("recovered"));
    if !has_failed && opened.is_empty() && recovered.is_empty() {
        return Ok(0);
    }
    let deliveries = match has_failed || !opened.is_empty() {
        true => deliveries(tx, &applied).await?,
        false => Vec::new(),
    };
    let webhooks = deliveries.iter().map(|one| one.webhook_id).chain(recovered.keys().copied()).collect();
    let (webhooks, now) = affected(tx, webhooks).await?;

    let mut events: Vec<OperationalEvent> = Vec::new();
    let causes = causes(&deliveries, &applied);
    let mut reported = Vec::new();
    for (id, failing_since) in opened {
        let (Some(cause), Some(webhook)) = (causes.get(&id), webhooks.get(&id)) else {
            continue;
        };
        let (failing_since, last_failure) = (from_sql_time(failing_since), last_failure(cause));
        events.push(FailingWebhook { webhook, failing_since, last_failure }.event(now));
        reported.push(id);
    }
    for (id, failing_since) in recovered {
        let failing_since = from_sql_time(failing_since);
        events
            .extend(webhooks.get(&id).map(|webhook| RecoveredWebhook { webhook, failing_since }.event(now)));
    }
    for delivery in deliveries.iter().filter(|_| has_failed) {
        let Some((settlement, webhook)) = applied.get(&delivery.id).zip(webhooks.get(&delivery.webhook_id))
        else {
            continue;
        };
        events.extend(failed_delivery(delivery, settlement, webhook, now));
    }
    if !reported.is_empty() {
        sqlx::query!(
            "UPDATE rdev_webhooks.endpoint_health SET failing_reported = true WHERE webhook_id = ANY($1)",
            &reported
        )
        .execute(&mut *tx)
        .await?;
    }
    publish_in(tx, store, events).await
}

async fn wanted(tx: &mut PgConnection) -> Result<WantedReports, sqlx::Error> {
    let subscribed = sqlx::query_scalar!(
        r#"SELECT p AS "pattern!" FROM unnest($1::text[]) AS p
           WHERE EXISTS (SELECT FROM rdev_webhooks.subscriptions s WHERE s.pattern = p)"#,
        &WantedReports::patterns()
    )
    .fetch_all(tx)
    .await?;
    Ok(WantedReports::new(&subscribed))
}

/// Returns those of the deliveries whose attempts did not succeed, in the order of their ids.
async fn deliveries(
    tx: &mut PgConnection,
    applied: &BTreeMap<Uuid, &Settlement>,
) -> Result<Vec<Delivery>, sqlx::Error> {
    let unsuccessful = applied.iter().filter(|(_, settlement)| settlement.settled != Settled::Succeeded);
    let ids: Vec<Uuid> = unsuccessful.map(|(id, _)| *id).collect();
    let mut deliveries = sqlx::query_as!(
        Delivery,
        r#"SELECT d.id AS "id!", d.webhook_id AS "webhook_id!", d.event_id AS "event_id!",
             e.event_type AS "event_type!", e.project, d.attempts AS "attempts!"
           FROM (SELECT id, webhook_id, event_id, attempts FROM rdev_webhooks.deliveries WHERE id = ANY($1)
               UNION ALL SELECT id, webhook_id, event_id, attempts FROM rdev_webhooks.delivery_queue
               WHERE id = ANY($1)) d
           JOIN rdev_webhooks.events e ON e.id = d.event_id"#,
        &ids
    )
    .fetch_all(tx)
    .await?;
    deliveries.sort_unstable_by_key(|delivery| delivery.id);
    Ok(deliveries)
}

/// Returns the last failure of each webhook that is not the delivery of an operational event: these do not make a
/// webhook be reported as failing.
fn causes<'a>(
    deliveries: &[Delivery],
    applied: &BTreeMap<Uuid, &'a Settlement>,
) -> BTreeMap<Uuid, &'a Settlement> {
    let ordinary = deliveries.iter().filter(|one| !is_operational(&one.event_type));
    let failures = ordinary.filter_map(|one| Some((one.webhook_id, *applied.get(&one.id)?)));
    failures
        .filter(|(_, settlement)| !matches!(settlement.health, HealthEffect::None | HealthEffect::Succeeded))
        .collect()
}

fn is_operational(event_type: &str) -> bool {
    event_type.parse::<EventType>().is_ok_and(|event_type| event_type.is_operational())
}

fn last_failure(settlement: &Settlement) -> Option<FailedAttempt> {
    FailedAttempt::new(&settlement.attempt.as_ref()?.outcome)
}

fn failed_delivery(
    delivery: &Delivery,
    settlement: &Settlement,
    webhook: &AffectedWebhook,
    now: Timestamp,
) -> Option<OperationalEvent> {
    let Settled::Failed(reason) = settlement.settled else {
        return None;
    };
    let event_type: EventType = delivery.event_type.parse().ok()?;
    let project = delivery.project.as_ref().and_then(|name| name.parse().ok());
    let failed = FailedDelivery {
        id: DeliveryId::from_uuid(delivery.id),
        webhook,
        event_id: EventId::from_uuid(delivery.event_id),
        event_type: &event_type,
        project: project.as_ref(),
        attempts: to_u32(delivery.attempts),
        reason,
        last_failure: last_failure(settlement),
    };
    failed.event(now)
}
