WITH input AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::int4[],
            $14::int8[])
        WITH ORDINALITY AS g(id, project, key, target, route, target_version, n)
),
receivers AS MATERIALIZED (
    SELECT m.route, m.webhook_id, count(*) AS matches
    FROM (
        SELECT r.route, s.webhook_id
        FROM unnest($6::int4[], $7::text[], $8::text[], $19::uuid[]) AS r(route, pattern, project, except_id)
        JOIN rdev_webhooks.subscriptions s
            ON s.pattern = r.pattern AND s.project = r.project
                AND s.webhook_id IS DISTINCT FROM r.except_id
        LIMIT $16::int8
    ) m GROUP BY m.route, m.webhook_id
),
fanout AS MATERIALIZED (
    SELECT route, count(*)::int4 AS deliveries, sum(matches)::int8 AS matches
    FROM receivers GROUP BY route
),
limited AS MATERIALIZED (
    SELECT route, array_agg(project) AS projects
    FROM unnest($17::int4[], $18::text[]) AS l(route, project) GROUP BY route
),
visible AS MATERIALIZED (
    SELECT l.route, count(w.id)::int4 AS deliveries
    FROM limited l
    LEFT JOIN receivers r ON r.route = l.route
    LEFT JOIN rdev_webhooks.webhooks w
        ON w.id = r.webhook_id AND rdev_webhooks.is_visible(w.projects, l.projects)
    GROUP BY l.route
),
reachable AS MATERIALIZED (
    SELECT g.n FROM input g JOIN rdev_webhooks.webhooks w ON w.id = g.target
    WHERE w.deleted_at IS NULL AND w.disabled_at IS NULL
        AND (g.target_version IS NULL OR w.version = g.target_version)
),
counted AS MATERIALIZED (
    SELECT g.*, CASE
        WHEN g.target IS NOT NULL THEN (g.n IN (SELECT n FROM reachable))::int4
        ELSE coalesce((SELECT f.deliveries FROM fanout f WHERE f.route = g.route), 0)
        END AS deliveries,
        k.event_id AS first_id, k.deliveries AS first_deliveries,
        coalesce(k.expires_at > rdev_webhooks.now(), false) AS taken
    FROM input g
    LEFT JOIN rdev_webhooks.event_keys k
        ON k.project = coalesce(g.project, '') AND k.key = g.key
),
verdict AS MATERIALIZED (
    SELECT coalesce(sum(c.deliveries) FILTER (WHERE NOT c.taken), 0) <= $15::int8
        AND coalesce((SELECT sum(f.matches) FROM fanout f), 0) < $16::int8 AS fits
    FROM counted c
),
keyed AS (
    INSERT INTO rdev_webhooks.event_keys AS k
        (project, key, event_id, deliveries, expires_at)
    SELECT coalesce(c.project, ''), c.key, c.id, c.deliveries,
        rdev_webhooks.now() + $9::int8 * interval '1 microsecond'
    FROM counted c WHERE c.key IS NOT NULL AND NOT c.taken AND (SELECT fits FROM verdict)
    ORDER BY 1, 2
    ON CONFLICT (project, key) DO UPDATE SET
        event_id = CASE WHEN k.expires_at <= rdev_webhooks.now()
            THEN excluded.event_id ELSE k.event_id END,
        deliveries = CASE WHEN k.expires_at <= rdev_webhooks.now()
            THEN excluded.deliveries ELSE k.deliveries END,
        expires_at = CASE WHEN k.expires_at <= rdev_webhooks.now()
            THEN excluded.expires_at ELSE k.expires_at END
    RETURNING k.project, k.key, k.event_id, k.deliveries
),
fresh AS MATERIALIZED (
    SELECT * FROM counted c
    WHERE (SELECT fits FROM verdict)
        AND (c.key IS NULL OR NOT c.taken AND c.id IN (SELECT event_id FROM keyed))
),
stored AS (
    INSERT INTO rdev_webhooks.events
        (id, timestamp, event_type, project, key, traceparent, body, command_id)
    SELECT b.id, b.timestamp, b.event_type, b.project, b.key, b.traceparent, b.body, b.command_id
    FROM unnest($1::uuid[], $10::timestamptz[], $11::text[], $2::text[], $3::text[],
        $12::text[], $13::bytea[], $20::text[])
        AS b(id, timestamp, event_type, project, key, traceparent, body, command_id)
    WHERE (b.id IN (SELECT id FROM fresh)) IS TRUE
    ON CONFLICT (id) DO NOTHING
    RETURNING id
),
queued AS (
    INSERT INTO rdev_webhooks.delivery_queue (id, event_id, webhook_id, due_at)
    SELECT rdev_webhooks.delivery_id(d.event_id, d.webhook_id), d.event_id,
        d.webhook_id, rdev_webhooks.now()
    FROM (
        SELECT f.id AS event_id, r.webhook_id
        FROM fresh f JOIN receivers r ON r.route = f.route
        UNION ALL
        SELECT f.id, f.target FROM fresh f
        WHERE f.target IS NOT NULL AND f.deliveries > 0
    ) d
    WHERE (d.event_id IN (SELECT id FROM stored)) IS TRUE
),
raced AS MATERIALIZED (
    SELECT c.n FROM counted c
    WHERE c.key IS NOT NULL AND NOT c.taken AND c.id NOT IN (SELECT event_id FROM keyed)
)
SELECT (SELECT fits FROM verdict) AS "fits!", c.deliveries AS "deliveries!",
    (SELECT v.deliveries FROM visible v WHERE v.route = c.route) AS visible,
    c.taken AS "taken!", c.id IN (SELECT id FROM stored) AS "stored!",
    CASE WHEN c.taken THEN c.first_id
        WHEN c.n IN (SELECT n FROM raced) THEN (SELECT k.event_id FROM keyed k
            WHERE k.project = coalesce(c.project, '') AND k.key = c.key)
        END AS first_id,
    CASE WHEN c.taken THEN c.first_deliveries
        WHEN c.n IN (SELECT n FROM raced) THEN (SELECT k.deliveries FROM keyed k
            WHERE k.project = coalesce(c.project, '') AND k.key = c.key)
        END AS first_deliveries
FROM counted c
ORDER BY c.n
