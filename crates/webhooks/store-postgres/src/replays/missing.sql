-- Makes the missing deliveries, up to $3 of them, of the events $2 to the webhook $1, for the replay $4.
--
-- A subquery that is a value is looked up by the primary key, in one partition; a NOT EXISTS could become a join that
-- reads all deliveries. Another replay may have made one meanwhile. The events are locked, so that they are not pruned before the transaction
-- ends; events that are being pruned are skipped.
WITH missing AS MATERIALIZED (
    SELECT e.id, rdev_webhooks.delivery_id(e.id, $1) AS delivery_id
    FROM unnest($2::uuid[]) AS e(id)
    WHERE (SELECT q.id FROM rdev_webhooks.delivery_queue q
            WHERE q.id = rdev_webhooks.delivery_id(e.id, $1)) IS NULL
        AND (SELECT d.id FROM rdev_webhooks.deliveries d
            WHERE d.id = rdev_webhooks.delivery_id(e.id, $1)) IS NULL
    ORDER BY e.id LIMIT $3
),
locked_events AS MATERIALIZED (
    SELECT e.id FROM rdev_webhooks.events e
    WHERE e.id = ANY(ARRAY(SELECT id FROM missing))
        AND e.id >= (SELECT id FROM missing ORDER BY id LIMIT 1)
        AND e.id <= (SELECT id FROM missing ORDER BY id DESC LIMIT 1)
    FOR KEY SHARE SKIP LOCKED
),
queued AS (
    INSERT INTO rdev_webhooks.delivery_queue (id, event_id, webhook_id, due_at)
    SELECT m.delivery_id, m.id, $1, rdev_webhooks.now()
    FROM missing m WHERE (m.id IN (SELECT id FROM locked_events)) IS TRUE
    ON CONFLICT (id) DO NOTHING
    RETURNING id
),
tracked AS (
    INSERT INTO rdev_webhooks.replay_deliveries (replay_id, delivery_id) SELECT $4, id FROM queued
),
announced AS (
    INSERT INTO rdev_webhooks.reopened_deliveries (reopened_at, delivery_id)
    SELECT rdev_webhooks.now(), id FROM queued
)
SELECT (SELECT count(*) FROM queued)::int4 AS "taken!",
    (SELECT count(*) FROM missing)::int4 AS "selected!",
    (SELECT id FROM missing ORDER BY id DESC LIMIT 1) AS last_selected
