WITH expired AS MATERIALIZED (
    SELECT e.id FROM unnest($1::uuid[]) AS e(id)
    WHERE NOT EXISTS (
        SELECT FROM rdev_webhooks.delivery_queue q
        JOIN rdev_webhooks.webhooks w ON w.id = q.webhook_id
        WHERE q.id BETWEEN rdev_webhooks.id_first_of_ms(e.id)
                AND rdev_webhooks.id_last_of_ms(e.id)
            AND q.event_id = e.id
            AND w.deleted_at IS NULL AND w.disabled_at IS NULL)
),
unfinished AS (
    DELETE FROM rdev_webhooks.delivery_queue q
    WHERE q.id BETWEEN rdev_webhooks.id_first_of_ms($2) AND rdev_webhooks.id_last_of_ms($3)
        AND q.event_id IN (SELECT id FROM expired)
    RETURNING q.id
),
finished AS (
    DELETE FROM rdev_webhooks.deliveries d
    WHERE d.id BETWEEN rdev_webhooks.id_first_of_ms($2) AND rdev_webhooks.id_last_of_ms($3)
        AND d.event_id IN (SELECT id FROM expired)
    RETURNING d.id
),
deleted_attempts AS (
    DELETE FROM rdev_webhooks.attempts a
    WHERE a.delivery_id BETWEEN rdev_webhooks.id_first_of_ms($2)
            AND rdev_webhooks.id_last_of_ms($3)
        AND a.delivery_id IN (SELECT id FROM unfinished UNION ALL SELECT id FROM finished)
),
deleted_events AS (
    DELETE FROM rdev_webhooks.events e
    WHERE e.id BETWEEN $2 AND $3 AND e.id IN (SELECT id FROM expired)
    RETURNING e.position, e.id
),
recorded AS (
    UPDATE rdev_webhooks.retention r SET pruned_position = l.position, pruned_event = l.id
    FROM (SELECT position, id FROM deleted_events ORDER BY position DESC, id DESC LIMIT 1) l
    WHERE (r.pruned_position, r.pruned_event) < (l.position, l.id)
)
SELECT (SELECT count(*) FROM deleted_events) AS "events!",
    (SELECT count(*) FROM unfinished) + (SELECT count(*) FROM finished) AS "deliveries!"
