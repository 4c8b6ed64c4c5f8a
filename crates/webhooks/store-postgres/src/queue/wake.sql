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
    EXISTS (SELECT FROM rdev_webhooks.added_events) AS "has_added!",
    ARRAY(SELECT webhook_id FROM next ORDER BY webhook_id, in_us) AS "next_webhooks!",
    ARRAY(SELECT in_us FROM next ORDER BY webhook_id, in_us) AS "next_in_us!"
