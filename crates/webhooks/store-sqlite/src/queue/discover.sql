-- Walks over the first ?5 webhooks with unfinished deliveries after the webhook ?1. Returns those that have a claimable
-- delivery, in their order, and in a last row where the walk has ended, and when one of the other webhooks has a claimable
-- delivery, or may have one. ?2 is the current time; ?3 and ?4 are RateLimit::MIN_WAIT and MAX_AHEAD in microseconds.
WITH RECURSIVE
-- With a last row of NULL if there are no more.
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
    LIMIT +?5
),
-- Until when an open circuit or a spent rate holds all deliveries back.
held (webhook_id, max_in_flight, is_limited, timeout_ns, last_failure_silent, held_until) AS MATERIALIZED (
    SELECT
        w.id,
        w.max_in_flight,
        coalesce(w.rate_limit, w.max_in_flight) IS NOT NULL,
        w.timeout_ns,
        h.last_failure_silent,
        max(
            CASE WHEN h.open_count > 0 THEN coalesce(h.open_until, 0) ELSE 0 END,
            CASE WHEN w.rate_limit IS NULL THEN 0 ELSE coalesce((
                SELECT l.spent_until + max(CAST(1000000 / w.rate_limit AS INTEGER), ?3)
                FROM webhooks_shared_limits AS l
                WHERE l.webhook_id = w.id AND l.spent_until <= ?2 + ?4
            ), 0) END
        )
    FROM queued CROSS JOIN webhooks_webhooks AS w ON w.id = queued.webhook_id
    LEFT JOIN webhooks_endpoint_health AS h ON h.webhook_id = w.id
    WHERE w.disabled_at IS NULL AND w.deleted_at IS NULL
),
-- When the first delivery without a lease is due.
waiting AS MATERIALIZED (
    SELECT
        held.*,
        CASE WHEN held_until <= ?2 THEN coalesce((
            SELECT d.due_at
            FROM webhooks_deliveries AS d INDEXED BY webhooks_deliveries_by_webhook_id_due_at
            WHERE d.webhook_id = held.webhook_id AND d.claimable_at = d.due_at AND d.claimable_at IS NOT NULL
            ORDER BY d.due_at
            LIMIT 1
        ), 9223372036854775807) END AS free_at
    FROM held
),
walked AS MATERIALIZED (
    SELECT
        waiting.*,
        max(held_until, CASE WHEN held_until <= ?2 THEN min(free_at, coalesce((
            SELECT min(d.claimable_at)
            FROM webhooks_deliveries AS d INDEXED BY webhooks_deliveries_by_webhook_id_due_at
            WHERE d.webhook_id = waiting.webhook_id AND d.due_at < waiting.free_at AND d.claimable_at IS NOT NULL
        ), free_at)) ELSE 0 END) AS claimable_at
    FROM waiting
)
SELECT
    NULL AS "is_last?: bool",
    webhook_id AS "id?: Vec<u8>",
    max_in_flight AS "max_in_flight?: i64",
    is_limited AS "is_limited?: bool",
    timeout_ns AS "timeout_ns?: i64",
    EXISTS (
        SELECT 1
        FROM webhooks_deliveries AS d INDEXED BY webhooks_deliveries_by_webhook_id_due_at
        WHERE d.webhook_id = walked.webhook_id AND d.due_at <= walked.free_at
            AND d.claimable_at > d.due_at AND d.claimable_at <= ?2
    ) AS "is_abandoned?: bool",
    last_failure_silent AS "last_failure_silent?: bool",
    claimable_at AS "claimable_at?: i64"
FROM walked
WHERE claimable_at <= ?2
UNION ALL
SELECT
    EXISTS (SELECT 1 FROM queued WHERE webhook_id IS NULL),
    (SELECT max(webhook_id) FROM queued),
    NULL, NULL, NULL, NULL, NULL,
    (SELECT min(claimable_at) FROM walked WHERE claimable_at > ?2)
