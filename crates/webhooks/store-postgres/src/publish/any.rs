//! Stores any batch.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{EventId, NewEvent, Published, Target};
use uuid::Uuid;

use super::{Inserted, Plan};
use crate::connect::Inner;
use crate::convert::{to_micros_up, to_sql_time, to_u32};

/// The columns of the events to store.
#[derive(Default)]
struct Columns {
    id: Vec<Uuid>,
    project: Vec<Option<String>>,
    key: Vec<Option<String>>,
    target: Vec<Option<Uuid>>,
    target_version: Vec<Option<i64>>,
    occurred_at: Vec<DateTime<Utc>>,
    event_type: Vec<String>,
    traceparent: Vec<Option<String>>,
    body: Vec<Vec<u8>>,
}

impl Columns {
    fn of(events: &[NewEvent], firsts: &[usize]) -> Self {
        let mut columns = Self::default();
        for event in firsts.iter().map(|position| &events[*position]) {
            columns.id.push(event.id.as_uuid());
            columns.project.push(event.project.as_ref().map(ToString::to_string));
            columns.key.push(event.key.as_ref().map(ToString::to_string));
            let (target, version) = match event.target {
                Target::Subscribers => (None, None),
                Target::Webhook(webhook) => (Some(webhook.as_uuid()), None),
                // No webhook has a version beyond the database's numbers.
                Target::WebhookAt(webhook, version) => {
                    (Some(webhook.as_uuid()), Some(i64::try_from(version).unwrap_or(-1)))
                }
            };
            columns.target.push(target);
            columns.target_version.push(version);
            columns.occurred_at.push(to_sql_time(event.timestamp));
            columns.event_type.push(event.event_type.as_str().to_owned());
            columns.traceparent.push(event.traceparent.map(|trace| trace.to_string()));
            columns.body.push(event.body.to_vec());
        }
        columns
    }
}

/// Stores the events in one statement that is one transaction.
///
/// Events whose key was taken before are in `taken` alone. `keyed` takes the keys of the others, in the one
/// order of all transactions, so that two batches never wait for each other; it takes over an expired key.
/// For a key that another process took at the same moment the result is that process's event. `stored` skips
/// an event that exists already, as when a batch is repeated because its response was lost. `(… IN …) IS
/// TRUE` is looked up in a hash table; a bare `IN` would become a join, and with the planner's settings of
/// these connections a nested loop over the whole batch.
pub(super) async fn insert(
    store: &Inner,
    events: &[NewEvent],
    plan: &Plan,
    sent: &AtomicBool,
) -> Result<Inserted, StoreError> {
    let columns = Columns::of(events, &plan.firsts);
    let rows = store
        .write()
        .run(async |conn| {
            sent.store(true, Ordering::Relaxed);
            sqlx::query!(
                r#"
                WITH given AS (
                    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::int4[],
                            $14::int8[])
                        WITH ORDINALITY AS g(id, project, key, target, route, target_version, n)
                ),
                receivers AS MATERIALIZED (
                    SELECT m.route, m.webhook_id, count(*) AS matches
                    FROM (
                        SELECT r.route, s.webhook_id
                        FROM unnest($6::int4[], $7::text[], $8::text[]) AS r(route, pattern, project)
                        JOIN rdev_webhooks.subscriptions s
                            ON s.pattern = r.pattern AND s.project = r.project
                        LIMIT $16::int8
                    ) m GROUP BY m.route, m.webhook_id
                ),
                fanout AS MATERIALIZED (
                    SELECT route, count(*)::int4 AS deliveries, sum(matches)::int8 AS matches
                    FROM receivers GROUP BY route
                ),
                limited AS MATERIALIZED (
                    SELECT route, array_agg(project) AS projects
                    FROM unnest($17::int4[], $18::text[]) AS l(route, project) GROUP BY route
                ),
                visible AS MATERIALIZED (
                    SELECT l.route, count(w.id)::int4 AS deliveries
                    FROM limited l
                    LEFT JOIN receivers r ON r.route = l.route
                    LEFT JOIN rdev_webhooks.webhooks w
                        ON w.id = r.webhook_id AND w.projects <> '{}' AND w.projects <@ l.projects
                    GROUP BY l.route
                ),
                reachable AS MATERIALIZED (
                    SELECT g.n FROM given g JOIN rdev_webhooks.webhooks w ON w.id = g.target
                    WHERE w.deleted_at IS NULL AND w.disabled_reason IS NULL
                        AND (g.target_version IS NULL OR w.version = g.target_version)
                ),
                counted AS MATERIALIZED (
                    SELECT g.*, CASE
                        WHEN g.target IS NOT NULL THEN (g.n IN (SELECT n FROM reachable))::int4
                        ELSE coalesce((SELECT f.deliveries FROM fanout f WHERE f.route = g.route), 0)
                        END AS deliveries,
                        k.event_id AS first_id, k.deliveries AS first_deliveries,
                        coalesce(k.expires_at > rdev_webhooks.now(), false) AS taken
                    FROM given g
                    LEFT JOIN rdev_webhooks.event_keys k
                        ON k.project = coalesce(g.project, '') AND k.key = g.key
                ),
                verdict AS MATERIALIZED (
                    SELECT coalesce(sum(c.deliveries) FILTER (WHERE NOT c.taken), 0) <= $15::int8
                        AND coalesce((SELECT sum(f.matches) FROM fanout f), 0) < $16::int8 AS fits
                    FROM counted c
                ),
                keyed AS (
                    INSERT INTO rdev_webhooks.event_keys AS k
                        (project, key, event_id, deliveries, expires_at)
                    SELECT coalesce(c.project, ''), c.key, c.id, c.deliveries,
                        rdev_webhooks.now() + $9::int8 * interval '1 microsecond'
                    FROM counted c WHERE c.key IS NOT NULL AND NOT c.taken AND (SELECT fits FROM verdict)
                    ORDER BY 1, 2
                    ON CONFLICT (project, key) DO UPDATE SET
                        event_id = CASE WHEN k.expires_at <= rdev_webhooks.now()
                            THEN excluded.event_id ELSE k.event_id END,
                        deliveries = CASE WHEN k.expires_at <= rdev_webhooks.now()
                            THEN excluded.deliveries ELSE k.deliveries END,
                        expires_at = CASE WHEN k.expires_at <= rdev_webhooks.now()
                            THEN excluded.expires_at ELSE k.expires_at END
                    RETURNING k.project, k.key, k.event_id, k.deliveries
                ),
                fresh AS MATERIALIZED (
                    SELECT * FROM counted c
                    WHERE (SELECT fits FROM verdict)
                        AND (c.key IS NULL OR NOT c.taken AND c.id IN (SELECT event_id FROM keyed))
                ),
                stored AS (
                    INSERT INTO rdev_webhooks.events
                        (id, occurred_at, event_type, project, key, traceparent, body)
                    SELECT b.id, b.occurred_at, b.event_type, b.project, b.key, b.traceparent, b.body
                    FROM unnest($1::uuid[], $10::timestamptz[], $11::text[], $2::text[], $3::text[],
                        $12::text[], $13::bytea[])
                        AS b(id, occurred_at, event_type, project, key, traceparent, body)
                    WHERE (b.id IN (SELECT id FROM fresh)) IS TRUE
                    ON CONFLICT (id) DO NOTHING
                    RETURNING id
                ),
                queued AS (
                    INSERT INTO rdev_webhooks.delivery_queue (id, event_id, webhook_id, due_at)
                    SELECT rdev_webhooks.delivery_id(d.event_id, d.webhook_id), d.event_id,
                        d.webhook_id, rdev_webhooks.now()
                    FROM (
                        SELECT f.id AS event_id, r.webhook_id
                        FROM fresh f JOIN receivers r ON r.route = f.route
                        UNION ALL
                        SELECT f.id, f.target FROM fresh f
                        WHERE f.target IS NOT NULL AND f.deliveries > 0
                    ) d
                    WHERE (d.event_id IN (SELECT id FROM stored)) IS TRUE
                ),
                raced AS MATERIALIZED (
                    SELECT c.n FROM counted c
                    WHERE c.key IS NOT NULL AND NOT c.taken AND c.id NOT IN (SELECT event_id FROM keyed)
                )
                SELECT (SELECT fits FROM verdict) AS "fits!", c.deliveries AS "deliveries!",
                    (SELECT v.deliveries FROM visible v WHERE v.route = c.route) AS visible,
                    c.taken AS "taken!", c.id IN (SELECT id FROM stored) AS "stored!",
                    CASE WHEN c.taken THEN c.first_id
                        WHEN c.n IN (SELECT n FROM raced) THEN (SELECT k.event_id FROM keyed k
                            WHERE k.project = coalesce(c.project, '') AND k.key = c.key)
                        END AS first_id,
                    CASE WHEN c.taken THEN c.first_deliveries
                        WHEN c.n IN (SELECT n FROM raced) THEN (SELECT k.deliveries FROM keyed k
                            WHERE k.project = coalesce(c.project, '') AND k.key = c.key)
                        END AS first_deliveries
                FROM counted c
                ORDER BY c.n
                "#,
                &columns.id,
                &columns.project as &[Option<String>],
                &columns.key as &[Option<String>],
                &columns.target as &[Option<Uuid>],
                &plan.routes as &[Option<i32>],
                &plan.route,
                &plan.pattern,
                &plan.project,
                to_micros_up(store.key_lifetime),
                &columns.occurred_at,
                &columns.event_type,
                &columns.traceparent as &[Option<String>],
                &columns.body,
                &columns.target_version as &[Option<i64>],
                plan.max_deliveries,
                plan.max_matches,
                &plan.limited_route,
                &plan.visible_project,
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await?;
    if rows.iter().any(|row| !row.fits) {
        let count = rows.iter().map(|row| if row.taken { 0 } else { to_u32(row.deliveries) });
        return Ok(Inserted::TooLarge(count.collect()));
    }
    let answers = plan.firsts.iter().zip(rows).map(|(position, row)| {
        let first = row.first_id.zip(row.first_deliveries);
        let deliveries = to_u32(first.map_or(row.deliveries, |(_, deliveries)| deliveries));
        Published {
            id: first.map_or(events[*position].id, |(id, _)| EventId::from_uuid(id)),
            deliveries,
            visible_deliveries: row.visible.map_or(deliveries, to_u32),
            duplicate: !row.stored,
        }
    });
    Ok(Inserted::Answers(answers.collect()))
}
