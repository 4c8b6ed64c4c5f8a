-- The visible deliveries of a range, newest first. $1 from, $2 to, $3 webhook, $4 event, $5 event type, $6 projects of
-- events, $7 status, $8 limit, $9 projects of the caller, $10 pattern of the last attempt, $11 command.
SELECT x.id AS "id!", x.event_id AS "event_id!", e.event_type, e.project,
    x.webhook_id AS "webhook_id!", x.attempts AS "attempts!", x.status AS "status!",
    x.at AS "at!", x.reason
FROM (
    SELECT y.* FROM rdev_webhooks.webhooks w
    CROSS JOIN LATERAL (
        (SELECT q.id, q.event_id, q.webhook_id, q.attempts, q.status, q.at, q.reason
        FROM rdev_webhooks.unfinished_deliveries q
        WHERE q.webhook_id = w.id AND q.id BETWEEN $1 AND $2
            AND ($4::uuid IS NULL OR q.event_id = $4)
            AND (SELECT ($5::text IS NULL OR e.event_type = $5) AND e.project = ANY($6::text[])
                AND ($11::text IS NULL OR e.command_id = $11)
                FROM rdev_webhooks.events e WHERE e.id = q.event_id)
            AND ($10::text IS NULL OR q.last_attempt LIKE $10)
            AND ($7::text IS NULL OR ($7 IN ('pending', 'in_flight', 'retrying')
                AND q.status = $7))
        ORDER BY q.id DESC LIMIT $8)
        UNION ALL
        (SELECT d.id, d.event_id, d.webhook_id, d.attempts, d.status, d.at, d.reason
        FROM rdev_webhooks.finished_deliveries d
        WHERE d.webhook_id = w.id AND d.id BETWEEN $1 AND $2
            AND ($4::uuid IS NULL OR d.event_id = $4)
            AND (SELECT ($5 IS NULL OR e.event_type = $5) AND e.project = ANY($6)
                AND ($11 IS NULL OR e.command_id = $11)
                FROM rdev_webhooks.events e WHERE e.id = d.event_id)
            AND ($10::text IS NULL OR d.last_attempt LIKE $10)
            AND ($7::text IS NULL OR d.status = $7)
        ORDER BY d.id DESC LIMIT $8)
    ) y
    WHERE rdev_webhooks.is_visible(w.projects, $9) AND ($3::uuid IS NULL OR w.id = $3)
    ORDER BY y.id DESC LIMIT $8
) x
JOIN rdev_webhooks.events e ON e.id = x.event_id
ORDER BY x.id DESC
