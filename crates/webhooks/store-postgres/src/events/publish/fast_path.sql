WITH receivers AS MATERIALIZED (
    SELECT m.route, m.webhook_id, count(*) AS matches
    FROM (
        SELECT r.route, s.webhook_id
        FROM unnest($1::int4[], $2::text[], $3::text[]) AS r(route, pattern, project)
        JOIN rdev_webhooks.subscriptions s
            ON s.pattern = r.pattern AND s.project = r.project
        LIMIT $13::int8
    ) m GROUP BY m.route, m.webhook_id
),
fanout AS MATERIALIZED (
    SELECT route, count(*)::int4 AS deliveries, sum(matches)::int8 AS matches,
        CASE WHEN count(*) <= $15::int8 THEN array_agg(webhook_id) END AS webhooks
    FROM receivers GROUP BY route
),
verdict AS MATERIALIZED (
    SELECT coalesce(sum(f.deliveries * ($11::int4[])[f.route + 1]::int8), 0) <= $12::int8
        AND coalesce(sum(f.matches), 0) < $13::int8 AS fits
    FROM fanout f
),
stored AS (
    INSERT INTO rdev_webhooks.events
        (id, timestamp, event_type, project, traceparent, body, command_id)
    SELECT * FROM unnest($4::uuid[], $5::timestamptz[], $6::text[], $7::text[],
        $8::text[], $9::bytea[], $14::text[])
    WHERE (SELECT fits FROM verdict)
),
queued AS (
    INSERT INTO rdev_webhooks.delivery_queue (id, event_id, webhook_id, due_at)
    SELECT rdev_webhooks.delivery_id(g.id, r.webhook_id), g.id, r.webhook_id,
        rdev_webhooks.now()
    FROM unnest($4::uuid[], $10::int4[]) AS g(id, route)
    JOIN receivers r ON r.route = g.route
    WHERE (SELECT fits FROM verdict)
)
SELECT f.route AS "route!", f.deliveries AS "deliveries!", v.fits AS "fits!", f.webhooks AS "webhooks?"
FROM fanout f, verdict v
