WITH due AS MATERIALIZED (
    SELECT q.id FROM rdev_webhooks.delivery_queue q
    WHERE q.wake_at < 'infinity' AND q.wake_at <= rdev_webhooks.now()
    ORDER BY q.wake_at LIMIT $1 FOR UPDATE SKIP LOCKED
),
woken AS (
    UPDATE rdev_webhooks.delivery_queue q SET wake_at = NULL
    FROM due WHERE q.id = due.id
    RETURNING q.webhook_id, q.due_at < rdev_webhooks.now() - interval '1 second' AS is_late
),
added AS MATERIALIZED (
    DELETE FROM rdev_webhooks.added_events a
    WHERE a.event_id = ANY(ARRAY(
        SELECT event_id FROM rdev_webhooks.added_events LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING a.event_id, a.added_at < rdev_webhooks.now() - interval '1 second' AS is_late
),
-- A transaction that was open for long: its deliveries are due before the marks, and the delivery feed has
-- passed the time of their ids.
surfaced AS (
    UPDATE rdev_webhooks.delivery_queue q SET due_at = rdev_webhooks.now()
    FROM added a
    WHERE a.is_late AND q.event_id = a.event_id AND q.lease_token IS NULL
        AND q.id >= rdev_webhooks.id_first_of_ms(a.event_id)
        AND q.id <= rdev_webhooks.id_last_of_ms(a.event_id)
    RETURNING q.id
),
reported AS (
    INSERT INTO rdev_webhooks.reopened_deliveries (reopened_at, delivery_id)
    SELECT rdev_webhooks.now(), s.id FROM surfaced s
),
next AS MATERIALIZED (
    SELECT n.webhook_id, ceil(extract(epoch FROM greatest(n.wake_at, h.open_until)
        - rdev_webhooks.now()) * 1000000)::int8 AS in_us
    FROM (
        SELECT q.wake_at, q.webhook_id FROM rdev_webhooks.delivery_queue q
        WHERE q.wake_at < 'infinity' AND q.wake_at > rdev_webhooks.now()
        ORDER BY q.wake_at LIMIT $2
    ) n
    CROSS JOIN LATERAL (SELECT EXISTS (
        SELECT FROM rdev_webhooks.webhooks w
        WHERE w.id = n.webhook_id AND w.disabled_at IS NULL AND w.deleted_at IS NULL
    ) AS is_enabled OFFSET 0) w
    CROSS JOIN LATERAL (SELECT (
        SELECT h.open_until FROM rdev_webhooks.endpoint_health h
        WHERE h.webhook_id = n.webhook_id AND h.open_count > 0
    ) AS open_until OFFSET 0) h
    WHERE w.is_enabled
)
SELECT (SELECT count(*) FROM woken) AS "woken!",
    ARRAY(SELECT DISTINCT webhook_id FROM woken WHERE is_late) AS "late!",
    EXISTS (SELECT FROM rdev_webhooks.webhooks w
        WHERE w.holds_deliveries AND w.disabled_at IS NULL AND w.deleted_at IS NULL)
        AS "is_held!",
    ARRAY(SELECT webhook_id FROM next ORDER BY webhook_id, in_us) AS "next_webhooks!",
    ARRAY(SELECT in_us FROM next ORDER BY webhook_id, in_us) AS "next_in_us!"
