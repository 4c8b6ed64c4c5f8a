-- Counts the unfinished deliveries, up to ?1, and returns since when the oldest claimable one is due; ?2 is the
-- current time.
WITH RECURSIVE queued (webhook_id) AS (
    SELECT min(webhook_id)
    FROM webhooks_deliveries INDEXED BY webhooks_deliveries_by_webhook_id_due_at
    WHERE claimable_at IS NOT NULL
    UNION ALL
    SELECT (
        SELECT min(d.webhook_id)
        FROM webhooks_deliveries AS d INDEXED BY webhooks_deliveries_by_webhook_id_due_at
        WHERE d.claimable_at IS NOT NULL AND d.webhook_id > queued.webhook_id
    )
    FROM queued
    WHERE queued.webhook_id IS NOT NULL
)
SELECT
    (
        SELECT count(*) FROM (
            SELECT 1
            FROM webhooks_deliveries INDEXED BY webhooks_deliveries_by_webhook_id_due_at
            WHERE claimable_at IS NOT NULL
            LIMIT +?1
        )
    ) AS "unfinished!: i64",
    (
        SELECT min((
            SELECT d.due_at
            FROM webhooks_deliveries AS d INDEXED BY webhooks_deliveries_by_webhook_id_due_at
            WHERE d.webhook_id = queued.webhook_id AND d.due_at <= ?2 AND d.claimable_at <= ?2
            ORDER BY d.due_at
            LIMIT 1
        ))
        FROM queued CROSS JOIN webhooks_webhooks AS w ON w.id = queued.webhook_id
        WHERE w.disabled_at IS NULL AND w.deleted_at IS NULL
            AND NOT EXISTS (
                SELECT 1
                FROM webhooks_endpoint_health AS h
                WHERE h.webhook_id = w.id AND h.open_count > 0 AND h.open_until > ?2
            )
    ) AS "oldest_due_at: i64"
