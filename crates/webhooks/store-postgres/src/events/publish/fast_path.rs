//! Stores new events without keys for all subscribers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Claim, CommandId, EventId, NewEvent, ProjectName, Published, WakeUp, WebhookId};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Inserted, NewLease, Plan};
use crate::convert::{from_sql_time, to_micros_up, to_sql_time, to_u32};
use crate::error::unless_taken;
use crate::store::Inner;

/// The number of webhooks of an event from which on they are not named.
const MAX_NAMED: i64 = WakeUp::MAX_WEBHOOKS as i64;

/// The columns of the events; every event has a route.
#[derive(Default)]
struct Columns<'a> {
    id: Vec<Uuid>,
    route: Vec<i32>,
    project: Vec<Option<&'a str>>,
    timestamp: Vec<DateTime<Utc>>,
    event_type: Vec<&'a str>,
    traceparent: Vec<Option<String>>,
    body: Vec<&'a [u8]>,
    command_id: Vec<Option<CommandId>>,
}

/// The number of deliveries of each route that has any.
type Routes = HashMap<i32, u32>;

impl<'a> Columns<'a> {
    /// Returns `None` if one of the events has a key or a target.
    fn of(events: &'a [NewEvent], plan: &Plan) -> Option<Self> {
        let mut columns = Self::default();
        for (position, route) in plan.firsts.iter().zip(&plan.routes) {
            let event = &events[*position];
            columns.route.push(route.filter(|_| event.key.is_none())?);
            columns.id.push(event.id.as_uuid());
            columns.project.push(event.project.as_ref().map(ProjectName::as_str));
            columns.timestamp.push(to_sql_time(event.timestamp));
            columns.event_type.push(event.event_type.as_str());
            columns.traceparent.push(event.traceparent.map(|trace| trace.to_string()));
            columns.body.push(&event.body);
            columns.command_id.push(event.command_id());
        }
        Some(columns)
    }

    fn command_ids(&self) -> Vec<Option<&str>> {
        self.command_id.iter().map(|id| id.as_ref().map(CommandId::as_str)).collect()
    }

    /// Returns the number of deliveries of each event.
    fn counts(&self, routes: &Routes) -> Vec<u32> {
        self.route.iter().map(|route| routes.get(route).copied().unwrap_or(0)).collect()
    }

    fn published(&self, routes: &Routes) -> Vec<Published> {
        let published = self.id.iter().zip(self.counts(routes)).map(|(id, deliveries)| Published {
            id: EventId::from_uuid(*id),
            deliveries,
            visible_deliveries: deliveries,
            duplicate: false,
        });
        published.collect()
    }
}

/// Stores the events in one statement that is one transaction, and leases what `advance` may take of them.
///
/// Returns `None` if the batch is not plain, or one of its events exists already, as when a batch is repeated
/// because its response was lost: then nothing was stored, and the other statement handles the batch.
pub(super) async fn insert(
    store: &Inner,
    events: &[NewEvent],
    plan: &Plan,
    advance: Option<&Claim>,
    sent: &AtomicBool,
) -> Result<Option<Inserted>, StoreError> {
    if plan.is_limited() {
        return Ok(None);
    }
    let Some(columns) = Columns::of(events, plan) else {
        return Ok(None);
    };
    match advance {
        Some(claim) => insert_leased(store, &columns, plan, claim, sent).await,
        None => insert_waiting(store, &columns, plan, sent).await,
    }
}

/// Stores the events with deliveries that wait for a claim.
async fn insert_waiting(
    store: &Inner,
    columns: &Columns<'_>,
    plan: &Plan,
    sent: &AtomicBool,
) -> Result<Option<Inserted>, StoreError> {
    let stored = store
        .write()
        .run(async |conn| {
            sent.store(true, Ordering::Relaxed);
            let counts = sqlx::query_file!(
                "src/events/publish/fast_path.sql",
                &plan.route,
                &plan.pattern,
                &plan.project,
                &columns.id,
                &columns.timestamp,
                &columns.event_type as &[&str],
                &columns.project as &[Option<&str>],
                &columns.traceparent as &[Option<String>],
                &columns.body as &[&[u8]],
                &columns.route,
                &plan.events_of_route,
                plan.max_deliveries,
                plan.max_matches,
                &columns.command_ids() as &[Option<&str>],
                MAX_NAMED,
            )
            .fetch_all(&mut **conn)
            .await;
            unless_taken(counts)
        })
        .await?;
    Ok(stored.map(|counts| {
        let routes = counts.iter().map(|row| (row.route, to_u32(row.deliveries))).collect();
        if counts.iter().any(|row| !row.fits) {
            return Inserted::TooLarge(columns.counts(&routes));
        }
        let named = counts.iter().map(|row| row.webhooks.as_deref()).collect::<Option<Vec<_>>>();
        let wake_up = named.map_or(WakeUp::Any, |named| {
            WakeUp::of(named.into_iter().flatten().copied().map(WebhookId::from_uuid))
        });
        Inserted::Answers(columns.published(&routes), wake_up, Vec::new())
    }))
}

/// Stores the events, and leases those of their deliveries that the claim may take.
async fn insert_leased(
    store: &Inner,
    columns: &Columns<'_>,
    plan: &Plan,
    claim: &Claim,
    sent: &AtomicBool,
) -> Result<Option<Inserted>, StoreError> {
    let (mut webhooks, mut takes, mut leases_us) = (Vec::new(), Vec::new(), Vec::new());
    let now = Instant::now().into_std();
    for share in claim.shares.iter().filter(|share| !store.endpoints.is_unreadable(share.webhook, now)) {
        webhooks.push(share.webhook.as_uuid());
        takes.push(i64::from(share.take));
        leases_us.push(to_micros_up(share.lease_for));
    }
    let stored = store
        .write()
        .run(async |conn| {
            sent.store(true, Ordering::Relaxed);
            let counts = sqlx::query_file!(
                "src/events/publish/fast_path_leased.sql",
                &plan.route,
                &plan.pattern,
                &plan.project,
                &columns.id,
                &columns.timestamp,
                &columns.event_type as &[&str],
                &columns.project as &[Option<&str>],
                &columns.traceparent as &[Option<String>],
                &columns.body as &[&[u8]],
                &columns.route,
                &plan.events_of_route,
                plan.max_deliveries,
                plan.max_matches,
                &columns.command_ids() as &[Option<&str>],
                &webhooks,
                &takes,
                &leases_us,
                claim.token.as_i64(),
                MAX_NAMED + 1,
            )
            .fetch_all(&mut **conn)
            .await;
            unless_taken(counts)
        })
        .await?;
    Ok(stored.map(|counts| {
        let routes = counts.iter().map(|row| (row.route, to_u32(row.deliveries))).collect();
        if counts.iter().any(|row| !row.fits) {
            return Inserted::TooLarge(columns.counts(&routes));
        }
        // Each row has the deliveries of all routes.
        let first = counts.first();
        let wake_up =
            WakeUp::of(first.iter().flat_map(|row| &row.waiting).copied().map(WebhookId::from_uuid));
        let leased = first.iter().flat_map(|row| {
            let rows = row.places.iter().zip(&row.webhooks).zip(&row.versions);
            rows.filter_map(|((place, webhook), version)| {
                Some(NewLease {
                    // Places begin with 1.
                    event: usize::try_from(*place).ok()?.checked_sub(1)?,
                    webhook: WebhookId::from_uuid(*webhook),
                    version: *version,
                    claimed_at: from_sql_time(row.claimed_at),
                })
            })
        });
        Inserted::Answers(columns.published(&routes), wake_up, leased.collect())
    }))
}
