WITH share AS (
    SELECT * FROM unnest($1::uuid[], $2::int8[], $3::int8[], $4::timestamptz[], $8::bool[])
        AS s(webhook_id, take, lease_us, mark, is_locked)
),
picked AS MATERIALIZED (
    SELECT q.*, s.webhook_id, s.lease_us, w.version,
        h.webhook_id IS NOT NULL AS is_probe
    FROM share s
    JOIN rdev_webhooks.webhooks w ON w.id = s.webhook_id
        AND w.deleted_at IS NULL AND w.disabled_at IS NULL
        AND (s.is_locked OR (w.rate_limit IS NULL AND w.max_in_flight IS NULL))
    LEFT JOIN rdev_webhooks.endpoint_health h ON h.webhook_id = s.webhook_id
        AND h.open_count > 0
    CROSS JOIN LATERAL (
        SELECT q.id, q.attempts, q.trigger, q.lease_taken_at
        FROM rdev_webhooks.delivery_queue q
        WHERE q.webhook_id = s.webhook_id AND q.wake_at IS NULL
            AND q.due_at >= coalesce(s.mark, '-infinity')
            AND q.due_at <= rdev_webhooks.now()
            AND (q.lease_expires_at IS NULL
                OR q.lease_expires_at <= rdev_webhooks.now())
        ORDER BY q.due_at
        LIMIT CASE WHEN h.webhook_id IS NULL THEN s.take ELSE least(s.take, 1) END
        FOR UPDATE SKIP LOCKED
    ) q
    WHERE h.webhook_id IS NULL OR h.open_until <= rdev_webhooks.now()
),
probed AS (
    UPDATE rdev_webhooks.endpoint_health h SET is_probing = true,
        open_until = rdev_webhooks.now() + p.lease_us * interval '1 microsecond'
    FROM picked p
    WHERE p.is_probe AND h.webhook_id = p.webhook_id
        AND h.open_count > 0 AND h.open_until <= rdev_webhooks.now()
    RETURNING h.webhook_id
),
taken AS MATERIALIZED (
    SELECT * FROM picked p
    WHERE NOT p.is_probe OR (p.webhook_id IN (SELECT webhook_id FROM probed)) IS TRUE
),
claimed AS (
    UPDATE rdev_webhooks.delivery_queue q SET
        lease_token = $5,
        lease_taken_at = rdev_webhooks.now(),
        lease_expires_at = rdev_webhooks.now() + p.lease_us * interval '1 microsecond',
        attempts = q.attempts + 1,
        automatic_attempts = q.automatic_attempts
            + (p.lease_taken_at IS NULL AND q.trigger = 'automatic')::int4,
        abandoned_count = q.abandoned_count + (p.lease_taken_at IS NOT NULL)::int4,
        last_attempt = CASE WHEN p.lease_taken_at IS NULL THEN q.last_attempt
            ELSE rdev_webhooks.attempt_summary(q.trigger, $6, NULL) END
    FROM taken p WHERE q.id = p.id
    RETURNING q.id, q.event_id, q.webhook_id, q.due_at, q.attempts,
        q.automatic_attempts, q.abandoned_count, q.trigger,
        q.deferred_until IS NOT NULL AS resumes, p.version
),
abandoned AS (
    INSERT INTO rdev_webhooks.attempts (delivery_id, number, trigger, started_at,
        duration_ns, signature, failure_class, failure_detail)
    SELECT p.id, p.attempts, p.trigger, p.lease_taken_at,
        greatest(0, (extract(epoch FROM rdev_webhooks.now() - p.lease_taken_at)
            * 1000000)::int8) * 1000,
        '', $6, $7
    FROM taken p WHERE p.lease_taken_at IS NOT NULL
    ON CONFLICT (delivery_id, number) DO NOTHING
)
SELECT c.id, c.event_id, c.webhook_id, c.version AS webhook_version, c.due_at,
    rdev_webhooks.now() AS claimed_at, c.attempts, c.automatic_attempts, c.abandoned_count, c.trigger::text AS trigger,
    c.resumes, e.event_type, e.project, e.body, e.traceparent
FROM claimed c LEFT JOIN rdev_webhooks.events_default e ON e.id = c.event_id
