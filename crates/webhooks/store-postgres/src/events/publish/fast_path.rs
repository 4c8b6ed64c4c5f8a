//! Stores new events without keys for all subscribers.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{CommandId, NewEvent, ProjectName, Published, WakeUp, WebhookId};
use uuid::Uuid;

use super::{Inserted, Plan};
use crate::convert::{to_sql_time, to_u32};
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
}

/// Stores the events in one statement that is one transaction.
///
/// Returns `None` if the batch is not plain, or one of its events exists already, as when a batch is repeated
/// because its response was lost: then nothing was stored, and the other statement handles the batch.
pub(super) async fn insert(
    store: &Inner,
    events: &[NewEvent],
    plan: &Plan,
    sent: &AtomicBool,
) -> Result<Option<Inserted>, StoreError> {
    if plan.is_limited() {
        return Ok(None);
    }
    let Some(columns) = Columns::of(events, plan) else {
        return Ok(None);
    };
    let command_ids: Vec<_> =
        columns.command_id.iter().map(|id| id.as_ref().map(CommandId::as_str)).collect();
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
                &command_ids as &[Option<&str>],
                MAX_NAMED,
            )
            .fetch_all(&mut **conn)
            .await;
            unless_taken(counts)
        })
        .await?;
    Ok(stored.map(|counts| {
        let deliveries =
            |route| counts.iter().find(|row| row.route == route).map_or(0, |row| to_u32(row.deliveries));
        if counts.iter().any(|row| !row.fits) {
            return Inserted::TooLarge(columns.route.iter().map(|route| deliveries(*route)).collect());
        }
        let answer = |(position, route): (&usize, &i32)| {
            let deliveries = deliveries(*route);
            Published {
                id: events[*position].id,
                deliveries,
                visible_deliveries: deliveries,
                duplicate: false,
            }
        };
        let named = counts.iter().map(|row| row.webhooks.as_deref()).collect::<Option<Vec<_>>>();
        let wake_up = named.map_or(WakeUp::Any, |named| {
            WakeUp::of(named.into_iter().flatten().copied().map(WebhookId::from_uuid))
        });
        Inserted::Answers(plan.firsts.iter().zip(&columns.route).map(answer).collect(), wake_up)
    }))
}
