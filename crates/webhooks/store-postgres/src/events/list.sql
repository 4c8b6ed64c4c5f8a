WITH page AS MATERIALIZED (
    SELECT * FROM rdev_webhooks.events e
    WHERE e.id BETWEEN $1 AND $2
        AND ($3::text IS NULL OR e.event_type = $3)
        AND ($6::text IS NULL OR e.key = $6)
        AND ($7::text IS NULL OR e.command_id = $7)
        -- An expression, so that the index of the key or of the command is used. Other lists by projects are in
        -- visible.rs.
        AND ($8::text[] IS NULL OR (e.project || '') = ANY($8))
    ORDER BY e.id DESC LIMIT $4
)
SELECT p.id, p.timestamp, p.event_type, p.project, p.key,
    CASE WHEN octet_length(p.body) <= $5 THEN p.body ELSE ''::bytea END AS "body!",
    q.pending AS "pending!", q.in_flight AS "in_flight!", q.retrying AS "retrying!",
    d.succeeded AS "succeeded!", d.failed AS "failed!", d.cancelled AS "cancelled!"
FROM page p
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE q.status = 'pending') AS pending,
        count(*) FILTER (WHERE q.status = 'in_flight') AS in_flight,
        count(*) FILTER (WHERE q.status = 'retrying') AS retrying
    FROM rdev_webhooks.queued_deliveries q
    WHERE q.id BETWEEN rdev_webhooks.id_first_of_ms(p.id) AND rdev_webhooks.id_last_of_ms(p.id)
        AND q.event_id = p.id
) q
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE d.status = 'succeeded') AS succeeded,
        count(*) FILTER (WHERE d.status = 'failed') AS failed,
        count(*) FILTER (WHERE d.status = 'cancelled') AS cancelled
    FROM rdev_webhooks.deliveries d
    WHERE d.id BETWEEN rdev_webhooks.id_first_of_ms(p.id)
            AND rdev_webhooks.id_last_of_ms(p.id)
        AND d.event_id = p.id
) d
ORDER BY p.id DESC
