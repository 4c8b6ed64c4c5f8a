WITH page AS MATERIALIZED (
    SELECT * FROM rdev_webhooks.events e
    WHERE e.id BETWEEN $1 AND $2
        AND ($3::text IS NULL OR e.event_type = $3)
        AND ($4::text IS NULL OR e.project = $4)
        AND ($7::text IS NULL OR e.key = $7)
        AND ($8::text IS NULL OR e.command_id = $8)
        -- An expression, so that the index of the key or of the command is used.
        AND ($9::text[] IS NULL OR (e.project || '') = ANY($9))
    ORDER BY e.id DESC LIMIT $5
)
SELECT p.id, p.timestamp, p.event_type, p.project, p.key,
    CASE WHEN octet_length(p.body) <= $6 THEN p.body ELSE ''::bytea END AS "body!",
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
