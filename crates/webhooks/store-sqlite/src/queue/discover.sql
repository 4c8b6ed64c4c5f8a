-- Walks over the webhooks with unfinished deliveries after the webhook ?1, and returns for each when it has a
-- claimable delivery. ?2 is the current time; ?3 and ?4 are RateLimit::MIN_WAIT and MAX_AHEAD in microseconds.
WITH RECURSIVE
queued (webhook_id) AS (
    SELECT min(webhook_id)
    FROM webhooks_deliveries INDEXED BY webhooks_deliveries_by_webhook_id_due_at
    WHERE claimable_at IS NOT NULL AND webhook_id > ?1
    UNION ALL
    SELECT (
        SELECT min(d.webhook_id)
        FROM webhooks_deliveries AS d INDEXED BY webhooks_deliveries_by_webhook_id_due_at
        WHERE d.claimable_at IS NOT NULL AND d.webhook_id > queued.webhook_id
    )
    FROM queued
    WHERE queued.webhook_id IS NOT NULL
),
-- When the first delivery without a lease is due.
waiting (webhook_id, free_at) AS (
    SELECT
        webhook_id,
        coalesce((
            SELECT d.due_at
            FROM webhooks_deliveries AS d INDEXED BY webhooks_deliveries_by_webhook_id_due_at
            WHERE d.webhook_id = queued.webhook_id AND d.claimable_at = d.due_at AND d.claimable_at IS NOT NULL
            ORDER BY d.due_at
            LIMIT 1
        ), 9223372036854775807)
    FROM queued
    WHERE webhook_id IS NOT NULL
)
SELECT
    w.id,
    w.max_in_flight,
    coalesce(w.rate_limit, w.max_in_flight) IS NOT NULL AS "is_limited!: bool",
    w.timeout_ns,
    EXISTS (
        SELECT 1
        FROM webhooks_deliveries AS d INDEXED BY webhooks_deliveries_by_webhook_id_due_at
        WHERE d.webhook_id = waiting.webhook_id AND d.due_at <= waiting.free_at
            AND d.claimable_at > d.due_at AND d.claimable_at <= ?2
    ) AS "is_abandoned!: bool",
    (
        SELECT h.last_failure_silent FROM webhooks_endpoint_health AS h WHERE h.webhook_id = waiting.webhook_id
    ) AS "last_failure_silent: bool",
    max(
        coalesce((
            SELECT h.open_until
            FROM webhooks_endpoint_health AS h
            WHERE h.webhook_id = waiting.webhook_id AND h.open_count > 0
        ), 0),
        CASE WHEN w.rate_limit IS NULL THEN 0 ELSE coalesce((
            SELECT l.spent_until + max(CAST(1000000 / w.rate_limit AS INTEGER), ?3)
            FROM webhooks_shared_limits AS l
            WHERE l.webhook_id = waiting.webhook_id AND l.spent_until <= ?2 + ?4
        ), 0) END,
        min(waiting.free_at, coalesce((
            SELECT min(d.claimable_at)
            FROM webhooks_deliveries AS d INDEXED BY webhooks_deliveries_by_webhook_id_due_at
            WHERE d.webhook_id = waiting.webhook_id AND d.due_at < waiting.free_at AND d.claimable_at IS NOT NULL
        ), waiting.free_at))
    ) AS "claimable_at!: i64"
FROM waiting CROSS JOIN webhooks_webhooks AS w ON w.id = waiting.webhook_id
WHERE w.disabled_at IS NULL AND w.deleted_at IS NULL
