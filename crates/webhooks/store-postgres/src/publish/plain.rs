//! Stores new events without keys for all subscribers.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{NewEvent, ProjectName, Published};
use uuid::Uuid;

use super::{Inserted, Plan};
use crate::connect::Inner;
use crate::convert::{to_sql_time, to_u32};
use crate::error::unless_taken;

/// The columns of the events; every event has a route.
#[derive(Default)]
struct Columns<'a> {
    id: Vec<Uuid>,
    route: Vec<i32>,
    project: Vec<Option<&'a str>>,
    occurred_at: Vec<DateTime<Utc>>,
    event_type: Vec<&'a str>,
    traceparent: Vec<Option<String>>,
    body: Vec<&'a [u8]>,
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
            columns.occurred_at.push(to_sql_time(event.timestamp));
            columns.event_type.push(event.event_type.as_str());
            columns.traceparent.push(event.traceparent.map(|trace| trace.to_string()));
            columns.body.push(&event.body);
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
    let stored = store
        .write()
        .run(async |conn| {
            sent.store(true, Ordering::Relaxed);
            let counts = sqlx::query!(
                r#"
                WITH receivers AS MATERIALIZED (
                    SELECT m.route, m.webhook_id, count(*) AS matches
                    FROM (
                        SELECT r.route, s.webhook_id
                        FROM unnest($1::int4[], $2::text[], $3::text[]) AS r(route, pattern, project)
                        JOIN rdev_webhooks.subscriptions s
                            ON s.pattern = r.pattern AND s.project = r.project
                        LIMIT $13::int8
                    ) m GROUP BY m.route, m.webhook_id
                ),
                fanout AS MATERIALIZED (
                    SELECT route, count(*)::int4 AS deliveries, sum(matches)::int8 AS matches
                    FROM receivers GROUP BY route
                ),
                verdict AS MATERIALIZED (
                    SELECT coalesce(sum(f.deliveries * ($11::int4[])[f.route + 1]::int8), 0) <= $12::int8
                        AND coalesce(sum(f.matches), 0) < $13::int8 AS fits
                    FROM fanout f
                ),
                stored AS (
                    INSERT INTO rdev_webhooks.events
                        (id, occurred_at, event_type, project, traceparent, body)
                    SELECT * FROM unnest($4::uuid[], $5::timestamptz[], $6::text[], $7::text[],
                        $8::text[], $9::bytea[])
                    WHERE (SELECT fits FROM verdict)
                ),
                queued AS (
                    INSERT INTO rdev_webhooks.delivery_queue (id, event_id, webhook_id, due_at)
                    SELECT rdev_webhooks.delivery_id(g.id, r.webhook_id), g.id, r.webhook_id,
                        rdev_webhooks.now()
                    FROM unnest($4::uuid[], $10::int4[]) AS g(id, route)
                    JOIN receivers r ON r.route = g.route
                    WHERE (SELECT fits FROM verdict)
                )
                SELECT f.route AS "route!", f.deliveries AS "deliveries!", v.fits AS "fits!"
                FROM fanout f, verdict v
                "#,
                &plan.route,
                &plan.pattern,
                &plan.project,
                &columns.id,
                &columns.occurred_at,
                &columns.event_type as &[&str],
                &columns.project as &[Option<&str>],
                &columns.traceparent as &[Option<String>],
                &columns.body as &[&[u8]],
                &columns.route,
                &plan.events_of_route,
                plan.max_deliveries,
                plan.max_matches,
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
        Inserted::Answers(plan.firsts.iter().zip(&columns.route).map(answer).collect())
    }))
}
