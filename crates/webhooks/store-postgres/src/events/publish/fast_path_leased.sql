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
    SELECT route, count(*)::int4 AS deliveries, sum(matches)::int8 AS matches
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
share AS MATERIALIZED (
    SELECT s.webhook_id, s.take, s.lease_us, w.version
    FROM unnest($15::uuid[], $16::int8[], $17::int8[]) AS s(webhook_id, take, lease_us)
    JOIN rdev_webhooks.webhooks w ON w.id = s.webhook_id
        AND w.deleted_at IS NULL AND w.disabled_at IS NULL
        AND w.rate_limit IS NULL AND w.max_in_flight IS NULL
    WHERE NOT EXISTS (SELECT FROM rdev_webhooks.endpoint_health h
        WHERE h.webhook_id = s.webhook_id AND h.open_count > 0)
),
delivery AS MATERIALIZED (
    SELECT d.*, s.version, s.lease_us
    FROM (
        SELECT rdev_webhooks.delivery_id(g.id, r.webhook_id) AS id, g.id AS event_id, g.place, r.webhook_id,
            row_number() OVER (PARTITION BY r.webhook_id ORDER BY g.place) AS nth
        FROM unnest($4::uuid[], $10::int4[]) WITH ORDINALITY AS g(id, route, place)
        JOIN receivers r ON r.route = g.route
        WHERE (SELECT fits FROM verdict)
    ) d
    LEFT JOIN share s ON s.webhook_id = d.webhook_id AND d.nth <= s.take
),
queued AS (
    INSERT INTO rdev_webhooks.delivery_queue (id, event_id, webhook_id, due_at,
        lease_token, lease_taken_at, lease_expires_at, attempts, automatic_attempts)
    SELECT d.id, d.event_id, d.webhook_id, rdev_webhooks.now(),
        CASE WHEN d.lease_us IS NOT NULL THEN $18::int8 END,
        CASE WHEN d.lease_us IS NOT NULL THEN rdev_webhooks.now() END,
        rdev_webhooks.now() + d.lease_us * interval '1 microsecond',
        (d.lease_us IS NOT NULL)::int4, (d.lease_us IS NOT NULL)::int4
    FROM delivery d
)
SELECT f.route AS "route!", f.deliveries AS "deliveries!", v.fits AS "fits!",
    rdev_webhooks.now() AS "claimed_at!",
    ARRAY(SELECT DISTINCT d.webhook_id FROM delivery d WHERE d.lease_us IS NULL LIMIT $19::int8) AS "waiting!",
    ARRAY(SELECT d.place FROM delivery d WHERE d.lease_us IS NOT NULL ORDER BY d.place, d.webhook_id) AS "places!",
    ARRAY(SELECT d.webhook_id FROM delivery d WHERE d.lease_us IS NOT NULL ORDER BY d.place, d.webhook_id) AS "webhooks!",
    ARRAY(SELECT d.version FROM delivery d WHERE d.lease_us IS NOT NULL ORDER BY d.place, d.webhook_id) AS "versions!"
FROM fanout f, verdict v
