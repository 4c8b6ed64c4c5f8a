SELECT x.id AS "id!", x.event_id AS "event_id!", e.event_type, e.project,
    x.webhook_id AS "webhook_id!", x.attempts AS "attempts!", x.status AS "status!",
    x.at AS "at!", x.reason
FROM (
    (SELECT * FROM rdev_webhooks.queued_deliveries q
    WHERE q.id BETWEEN $1 AND $2
        AND ($3::uuid IS NULL OR q.webhook_id = $3)
        AND ($4::uuid IS NULL OR q.event_id = $4)
        AND ($5::text IS NULL AND $6::text IS NULL OR (
            SELECT ($5 IS NULL OR e.event_type = $5) AND ($6 IS NULL OR e.project = $6)
            FROM rdev_webhooks.events e WHERE e.id = q.event_id))
        AND ($7::text IS NULL OR ($7 IN ('pending', 'in_flight', 'retrying')
            AND q.status = $7))
    ORDER BY q.id DESC LIMIT $8)
    UNION ALL
    (SELECT d.id, d.event_id, d.webhook_id, d.attempts, d.status, d.finished_at, d.reason
    FROM rdev_webhooks.deliveries d
    WHERE d.id BETWEEN $1 AND $2
        AND ($3::uuid IS NULL OR d.webhook_id = $3)
        AND ($4::uuid IS NULL OR d.event_id = $4)
        AND ($5::text IS NULL AND $6::text IS NULL OR (
            SELECT ($5 IS NULL OR e.event_type = $5) AND ($6 IS NULL OR e.project = $6)
            FROM rdev_webhooks.events e WHERE e.id = d.event_id))
        AND ($7::text IS NULL OR d.status = $7)
    ORDER BY d.id DESC LIMIT $8)
    ORDER BY id DESC LIMIT $8
) x
JOIN rdev_webhooks.events e ON e.id = x.event_id
ORDER BY x.id DESC
