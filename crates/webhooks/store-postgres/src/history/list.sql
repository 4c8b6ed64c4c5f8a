-- Deliveries of a range, newest first. $1 from, $2 to, $3 webhook, $4 event, $5 event type, $6 project, $7 status,
-- $8 limit, $9 pattern of the last attempt, $10 command.
SELECT x.id AS "id!", x.event_id AS "event_id!", e.event_type, e.project,
    x.webhook_id AS "webhook_id!", x.attempts AS "attempts!", x.status AS "status!",
    x.at AS "at!", x.reason
FROM (
    (SELECT q.id, q.event_id, q.webhook_id, q.attempts, q.status, q.at, q.reason
    FROM rdev_webhooks.unfinished_deliveries q
    WHERE q.id BETWEEN $1 AND $2
        AND ($3::uuid IS NULL OR q.webhook_id = $3)
        AND ($4::uuid IS NULL OR q.event_id = $4)
        AND ($5::text IS NULL AND $6::text IS NULL AND $10::text IS NULL OR (
            SELECT ($5 IS NULL OR e.event_type = $5) AND ($6 IS NULL OR e.project = $6)
                AND ($10 IS NULL OR e.command_id = $10)
            FROM rdev_webhooks.events e WHERE e.id = q.event_id))
        AND ($9::text IS NULL OR q.last_attempt LIKE $9)
        AND ($7::text IS NULL OR ($7 IN ('pending', 'in_flight', 'retrying')
            AND q.status = $7))
    ORDER BY q.id DESC LIMIT $8)
    UNION ALL
    (SELECT d.id, d.event_id, d.webhook_id, d.attempts, d.status, d.at, d.reason
    FROM rdev_webhooks.finished_deliveries d
    WHERE d.id BETWEEN $1 AND $2
        AND ($3::uuid IS NULL OR d.webhook_id = $3)
        AND ($4::uuid IS NULL OR d.event_id = $4)
        AND ($5::text IS NULL AND $6::text IS NULL AND $10::text IS NULL OR (
            SELECT ($5 IS NULL OR e.event_type = $5) AND ($6 IS NULL OR e.project = $6)
                AND ($10 IS NULL OR e.command_id = $10)
            FROM rdev_webhooks.events e WHERE e.id = d.event_id))
        AND ($9::text IS NULL OR d.last_attempt LIKE $9)
        AND ($7::text IS NULL OR d.status = $7)
    ORDER BY d.id DESC LIMIT $8)
    ORDER BY id DESC LIMIT $8
) x
JOIN rdev_webhooks.events e ON e.id = x.event_id
ORDER BY x.id DESC
