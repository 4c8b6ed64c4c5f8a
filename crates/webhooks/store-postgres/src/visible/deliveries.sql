SELECT x.id AS "id!", x.event_id AS "event_id!", e.event_type, e.project,
    x.webhook_id AS "webhook_id!", x.attempts AS "attempts!", x.status AS "status!",
    x.at AS "at!", x.reason
FROM (
    SELECT y.* FROM rdev_webhooks.webhooks w
    CROSS JOIN LATERAL (
        (SELECT * FROM rdev_webhooks.queued_deliveries q
        WHERE q.webhook_id = w.id AND q.id BETWEEN $1 AND $2
            AND ($4::uuid IS NULL OR q.event_id = $4)
            AND (SELECT ($5::text IS NULL OR e.event_type = $5) AND e.project = ANY($6::text[])
                FROM rdev_webhooks.events e WHERE e.id = q.event_id)
            AND ($7::text IS NULL OR ($7 IN ('pending', 'in_flight', 'retrying')
                AND q.status = $7))
        ORDER BY q.id DESC LIMIT $8)
        UNION ALL
        (SELECT d.id, d.event_id, d.webhook_id, d.attempts, d.status, d.finished_at, d.reason
        FROM rdev_webhooks.deliveries d
        WHERE d.webhook_id = w.id AND d.id BETWEEN $1 AND $2
            AND ($4::uuid IS NULL OR d.event_id = $4)
            AND (SELECT ($5 IS NULL OR e.event_type = $5) AND e.project = ANY($6)
                FROM rdev_webhooks.events e WHERE e.id = d.event_id)
            AND ($7::text IS NULL OR d.status = $7)
        ORDER BY d.id DESC LIMIT $8)
    ) y
    WHERE rdev_webhooks.is_visible(w.projects, $9) AND ($3::uuid IS NULL OR w.id = $3)
    ORDER BY y.id DESC LIMIT $8
) x
JOIN rdev_webhooks.events e ON e.id = x.event_id
ORDER BY x.id DESC
