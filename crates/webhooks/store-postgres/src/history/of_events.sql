-- Deliveries of events, newest first. $1 from, $2 to, $3 webhook, $4 events, $5 status, $6 pattern of the last attempt,
-- $7 projects of the caller, $8 limit.
SELECT x.id AS "id!", x.event_id AS "event_id!", e.event_type, e.project,
    x.webhook_id AS "webhook_id!", x.attempts AS "attempts!", x.status AS "status!",
    x.at AS "at!", x.reason
FROM (
    SELECT y.* FROM unnest($4::uuid[]) AS g(id)
    CROSS JOIN LATERAL (
        (SELECT q.id, q.event_id, q.webhook_id, q.attempts, q.status, q.at, q.reason
        FROM rdev_webhooks.unfinished_deliveries q
        WHERE q.id BETWEEN $1 AND $2 AND q.event_id = g.id
            AND q.id BETWEEN rdev_webhooks.id_first_of_ms(g.id) AND rdev_webhooks.id_last_of_ms(g.id)
            AND ($3::uuid IS NULL OR q.webhook_id = $3)
            AND ($5::text IS NULL OR ($5 IN ('pending', 'in_flight', 'retrying') AND q.status = $5))
            AND ($6::text IS NULL OR q.last_attempt LIKE $6)
            AND ($7::text[] IS NULL OR (SELECT rdev_webhooks.is_visible(w.projects, $7)
                FROM rdev_webhooks.webhooks w WHERE w.id = q.webhook_id))
        ORDER BY q.id DESC LIMIT $8)
        UNION ALL
        (SELECT d.id, d.event_id, d.webhook_id, d.attempts, d.status, d.at, d.reason
        FROM rdev_webhooks.finished_deliveries d
        WHERE d.id BETWEEN $1 AND $2 AND d.event_id = g.id
            AND d.id BETWEEN rdev_webhooks.id_first_of_ms(g.id) AND rdev_webhooks.id_last_of_ms(g.id)
            AND ($3::uuid IS NULL OR d.webhook_id = $3)
            AND ($5::text IS NULL OR d.status = $5)
            AND ($6::text IS NULL OR d.last_attempt LIKE $6)
            AND ($7::text[] IS NULL OR (SELECT rdev_webhooks.is_visible(w.projects, $7)
                FROM rdev_webhooks.webhooks w WHERE w.id = d.webhook_id))
        ORDER BY d.id DESC LIMIT $8)
    ) y
    ORDER BY y.id DESC LIMIT $8
) x
JOIN rdev_webhooks.events e ON e.id = x.event_id
ORDER BY x.id DESC
