//! Storing whatever a batch may hold.

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{EventId, NewEvent, Published, Target};
use uuid::Uuid;

use super::{Answer, Plan};
use crate::connect::Inner;
use crate::convert::{to_micros_up, to_sql_time, to_u32};

/// The columns of the events that are asked for.
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
                // No webhook has a version that is none of the database's numbers.
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

/// Asks the database, in one statement that is one transaction.
///
/// `keyed` takes the keys, in one order for everybody, so that two batches never wait for each other;
/// an expired key is taken over. Events whose key was taken before are in neither `keyed` nor `fresh`,
/// and so in nothing that follows. `stored` skips an event that is there already, as after a retry of a
/// batch whose answer was lost. `(… IN …) IS TRUE` is looked up in a hash table; a bare `IN` would become
/// a join, and with the planner's settings of these connections a nested loop over the whole batch.
pub(super) async fn insert(
    store: &Inner,
    events: &[NewEvent],
    plan: &Plan,
) -> Result<Vec<Answer>, StoreError> {
    let columns = Columns::of(events, &plan.firsts);
    let rows = store
        .write()
        .run(async |conn| {
            sqlx::query!(
                r#"
                WITH given AS (
                    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::int4[],
                            $14::int8[])
                        WITH ORDINALITY AS g(id, project, key, target, route, target_version, n)
                ),
                receivers AS MATERIALIZED (
                    SELECT DISTINCT r.route, s.webhook_id
                    FROM unnest($6::int4[], $7::text[], $8::text[]) AS r(route, pattern, project)
                    JOIN rdev_webhooks.subscriptions s
                        ON s.pattern = r.pattern AND s.project = r.project
                ),
                fanout AS MATERIALIZED (
                    SELECT route, count(*)::int4 AS deliveries FROM receivers GROUP BY route
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
                        END AS deliveries
                    FROM given g
                ),
                keyed AS (
                    INSERT INTO rdev_webhooks.event_keys AS k
                        (project, key, event_id, deliveries, expires_at)
                    SELECT coalesce(c.project, ''), c.key, c.id, c.deliveries,
                        rdev_webhooks.now() + $9::int8 * interval '1 microsecond'
                    FROM counted c WHERE c.key IS NOT NULL ORDER BY 1, 2
                    ON CONFLICT (project, key) DO UPDATE SET event_id = excluded.event_id,
                        deliveries = excluded.deliveries, expires_at = excluded.expires_at
                        WHERE k.expires_at <= rdev_webhooks.now()
                    RETURNING k.event_id
                ),
                fresh AS MATERIALIZED (
                    SELECT * FROM counted c
                    WHERE c.key IS NULL OR c.id IN (SELECT event_id FROM keyed)
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
                )
                SELECT c.deliveries AS "deliveries!", c.id IN (SELECT id FROM stored) AS "stored!",
                    c.key IS NOT NULL AND c.id NOT IN (SELECT event_id FROM keyed) AS "repeated!",
                    k.event_id AS "first_id?", k.deliveries AS "first_deliveries?"
                FROM counted c
                LEFT JOIN rdev_webhooks.event_keys k
                    ON k.project = coalesce(c.project, '') AND k.key = c.key
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
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await?;
    let answers = plan.firsts.iter().zip(rows).map(|(position, row)| {
        let own = Published {
            id: events[*position].id,
            deliveries: to_u32(row.deliveries),
            duplicate: !row.stored,
        };
        match (row.repeated, row.first_id.zip(row.first_deliveries)) {
            (false, _) => Answer::Is(own),
            (true, Some((id, deliveries))) => Answer::Is(Published {
                id: EventId::from_uuid(id),
                deliveries: to_u32(deliveries),
                duplicate: true,
            }),
            (true, None) => Answer::TakenMeanwhile,
        }
    });
    Ok(answers.collect())
}
