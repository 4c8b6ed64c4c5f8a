WITH scanned AS MATERIALIZED (
    (SELECT d.id, d.event_id, d.status, d.finished_at FROM rdev_webhooks.deliveries d
    WHERE $2 <> 'succeeded' AND d.webhook_id = $1 AND d.status = $2
        AND d.status <> 'succeeded' AND d.id > $3 AND d.id < $4
    ORDER BY d.id LIMIT $5)
    UNION ALL
    (SELECT d.id, d.event_id, d.status, d.finished_at FROM rdev_webhooks.deliveries d
    WHERE $2 = 'succeeded' AND d.webhook_id = $1 AND d.id > $3 AND d.id < $4
    ORDER BY d.id LIMIT $5)
),
selected AS MATERIALIZED (
    SELECT l.id, l.event_id FROM scanned l
    WHERE l.status = $2 AND l.finished_at <= $6
        AND ($7::text[] IS NULL OR (SELECT e.project FROM rdev_webhooks.events e
            WHERE e.id = l.event_id) = ANY($7))
    ORDER BY l.id LIMIT $8
),
locked_events AS MATERIALIZED (
    SELECT e.id FROM rdev_webhooks.events e
    WHERE e.id = ANY(ARRAY(SELECT event_id FROM selected))
        AND e.id >= (SELECT event_id FROM selected ORDER BY event_id LIMIT 1)
        AND e.id <= (SELECT event_id FROM selected ORDER BY event_id DESC LIMIT 1)
    FOR KEY SHARE SKIP LOCKED
),
taken AS (
    DELETE FROM rdev_webhooks.deliveries d
    WHERE d.id = ANY(ARRAY(SELECT id FROM selected WHERE (event_id IN (SELECT id FROM locked_events)) IS TRUE))
        AND d.id >= (SELECT id FROM selected ORDER BY id LIMIT 1)
        AND d.id <= (SELECT id FROM selected ORDER BY id DESC LIMIT 1)
    RETURNING d.*
),
logged AS (
    INSERT INTO rdev_webhooks.attempts (delivery_id, number, trigger, started_at, duration_ns,
        dns_ns, connect_ns, tls_ns, first_byte_ns, signature, response_status, response_headers,
        response_body, response_truncated)
    SELECT t.id, t.attempts, t.success_trigger, t.success_started_at, t.success_duration_ns,
        t.success_dns_ns, t.success_connect_ns, t.success_tls_ns, t.success_first_byte_ns,
        t.success_signature, t.success_response_status, t.success_response_headers,
        t.success_response_body, t.success_response_truncated
    FROM taken t WHERE t.success_started_at IS NOT NULL
    ON CONFLICT (delivery_id, number) DO NOTHING
),
queued AS (
    INSERT INTO rdev_webhooks.delivery_queue
        (id, event_id, webhook_id, due_at, attempts, automatic_attempts, trigger, last_attempt)
    SELECT t.id, t.event_id, t.webhook_id, rdev_webhooks.now(), t.attempts,
        t.automatic_attempts, ($9::text)::rdev_webhooks.attempt_trigger,
        coalesce(t.last_attempt, CASE WHEN t.status = 'succeeded' THEN 'automatic//200' END)
    FROM taken t
),
tracked AS (
    INSERT INTO rdev_webhooks.replay_deliveries (replay_id, delivery_id)
    SELECT $10, t.id FROM taken t
),
announced AS (
    INSERT INTO rdev_webhooks.reopened_deliveries (reopened_at, delivery_id)
    SELECT rdev_webhooks.now(), t.id FROM taken t
)
SELECT (SELECT count(*) FROM taken)::int4 AS "taken!",
    (SELECT count(*) FROM selected)::int4 AS "selected!",
    (SELECT id FROM selected ORDER BY id DESC LIMIT 1) AS last_selected,
    (SELECT count(*) FROM scanned)::int4 AS "scanned!",
    (SELECT id FROM scanned ORDER BY id DESC LIMIT 1) AS last_scanned
