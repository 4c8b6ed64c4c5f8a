-- Records attempts with any result. Parameters, arrays with an element for each settlement:
--   the lease and what follows:   $1 id, $2 token, $3 status, $4 reason, $5 wait_us, $6 gone, $7 health
--   the attempt, if there is one: $8 number, $9 trigger, $10 started_at, $11 duration_ns, $12 dns_ns,
--                                 $13 connect_ns, $14 tls_ns, $15 first_byte_ns, $16 signature
--   its response or failure:      $17 response_status, $18 response_headers, $19 response_body,
--                                 $20 response_truncated, $21 failure_class, $22 failure_detail
-- names:                          $23 cancelled, $24 webhook_deleted, $25 gone
-- the circuit's limits:           $26 open_after, $27 open_after_failing_for, $28 first_open, $29 longest_open
-- the attempt's summary:          $31 last_attempt
-- and:                            $30 patterns: if some webhook subscribes to one of them, nothing is recorded
WITH wanted AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM rdev_webhooks.subscriptions s WHERE s.pattern = ANY($30::text[])) AS is_wanted
),
input AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::int8[], $3::text[], $4::text[], $5::int8[],
        $6::int8[], $7::text[], $31::text[]) WITH ORDINALITY
        AS g(id, token, status, reason, wait_us, gone, health, last_attempt, n)
    WHERE NOT (SELECT is_wanted FROM wanted)
),
finished AS (
    DELETE FROM rdev_webhooks.delivery_queue q USING input g
    WHERE q.id = g.id AND q.lease_token = g.token
        AND (g.status IS NOT NULL OR NOT EXISTS (
            SELECT FROM rdev_webhooks.webhooks w
            WHERE w.id = q.webhook_id AND w.deleted_at IS NULL))
    RETURNING g.n, g.status, g.reason, g.gone, g.health, q.id, q.event_id, q.webhook_id,
        q.attempts, q.automatic_attempts, coalesce(g.last_attempt, q.last_attempt) AS last_attempt
),
rescheduled AS (
    UPDATE rdev_webhooks.delivery_queue q SET
        wake_at = CASE WHEN g.wait_us > 0
                THEN rdev_webhooks.now() + g.wait_us * interval '1 microsecond'
            WHEN g.wait_us IS NULL AND q.deferred_until > rdev_webhooks.now() THEN q.deferred_until END,
        (due_at, trigger, abandoned_count, deferred_until, automatic_attempts) = (SELECT
            CASE WHEN interrupted THEN q.due_at
                WHEN g.wait_us IS NULL THEN coalesce(q.deferred_until, rdev_webhooks.now())
                ELSE rdev_webhooks.now() + g.wait_us * interval '1 microsecond' END,
            CASE WHEN interrupted THEN q.trigger ELSE 'automatic' END,
            CASE WHEN interrupted THEN q.abandoned_count ELSE 0 END,
            CASE WHEN interrupted THEN q.deferred_until END,
            q.automatic_attempts - (interrupted AND q.trigger = 'automatic')::int4
            FROM (SELECT coalesce(g.wait_us < 0, false) AS interrupted) i),
        lease_token = NULL, lease_taken_at = NULL, lease_expires_at = NULL,
        last_attempt = coalesce(g.last_attempt, q.last_attempt)
    FROM input g
    WHERE q.id = g.id AND q.lease_token = g.token
        AND g.status IS NULL AND EXISTS (
            SELECT FROM rdev_webhooks.webhooks w
            WHERE w.id = q.webhook_id AND w.deleted_at IS NULL)
    RETURNING g.n, g.gone, g.health, q.webhook_id
),
applied AS (
    SELECT n, gone, health, webhook_id FROM finished
    UNION ALL SELECT n, gone, health, webhook_id FROM rescheduled
),
recorded AS (
    INSERT INTO rdev_webhooks.deliveries (id, event_id, webhook_id, finished_at,
        attempts, automatic_attempts, status, reason, last_attempt)
    SELECT f.id, f.event_id, f.webhook_id, rdev_webhooks.now(), f.attempts,
        f.automatic_attempts, coalesce(f.status, $23),
        CASE WHEN f.status IS NULL THEN $24 ELSE f.reason END,
        nullif(f.last_attempt, CASE WHEN f.status = 'succeeded' THEN 'automatic//200' END)
    FROM finished f
),
logged AS (
    INSERT INTO rdev_webhooks.attempts (delivery_id, number, trigger, started_at,
        duration_ns, dns_ns, connect_ns, tls_ns, first_byte_ns, signature, response_status,
        response_headers, response_body, response_truncated, failure_class,
        failure_detail)
    SELECT a.delivery_id, a.number, a.trigger::rdev_webhooks.attempt_trigger,
        a.started_at, a.duration_ns, a.dns_ns, a.connect_ns, a.tls_ns,
        a.first_byte_ns, a.signature, a.response_status, a.response_headers, a.response_body,
        a.response_truncated, a.failure_class, a.failure_detail
    FROM unnest($1::uuid[], $8::int4[], $9::text[], $10::timestamptz[], $11::int8[],
        $12::int8[], $13::int8[], $14::int8[], $15::int8[], $16::text[], $17::int4[],
        $18::text[], $19::bytea[], $20::bool[], $21::text[], $22::text[])
        WITH ORDINALITY AS a(delivery_id, number, trigger, started_at, duration_ns,
            dns_ns, connect_ns, tls_ns, first_byte_ns, signature, response_status,
            response_headers, response_body, response_truncated, failure_class,
            failure_detail, n)
    WHERE a.number IS NOT NULL AND (a.n IN (SELECT n FROM applied)) IS TRUE
    ON CONFLICT (delivery_id, number) DO NOTHING
),
disabled AS (
    UPDATE rdev_webhooks.webhooks w SET disabled_reason = $25,
        disabled_at = rdev_webhooks.now(), updated_at = rdev_webhooks.now(),
        version = w.version + 1
    FROM applied p
    WHERE w.id = p.webhook_id AND w.version = p.gone
        AND w.deleted_at IS NULL AND w.disabled_at IS NULL
    RETURNING w.id, p.n
),
unsubscribed AS (
    DELETE FROM rdev_webhooks.subscriptions s USING disabled d
    WHERE s.webhook_id = d.id
),
outcomes AS MATERIALIZED (
    SELECT p.webhook_id, bool_or(p.health = 'succeeded') AS succeeded,
        count(*) FILTER (WHERE p.health IN ('unavailable', 'silent'))::int4 AS failures,
        bool_or(p.health = 'silent') AS silent
    FROM applied p WHERE p.health <> 'none'
    GROUP BY p.webhook_id
),
unhealthy AS MATERIALIZED (
    SELECT h.webhook_id, h.open_count FROM rdev_webhooks.endpoint_health h
    WHERE h.webhook_id = ANY(ARRAY(SELECT webhook_id FROM outcomes))
    ORDER BY h.webhook_id FOR UPDATE
),
recovered AS (
    DELETE FROM rdev_webhooks.endpoint_health h
    WHERE h.webhook_id = ANY(ARRAY(
        SELECT u.webhook_id FROM unhealthy u JOIN outcomes t USING (webhook_id)
        WHERE t.succeeded))
    RETURNING h.webhook_id, h.open_count, h.failing_since, h.failing_reported
),
failed AS (
    INSERT INTO rdev_webhooks.endpoint_health AS h (webhook_id,
        consecutive_failures, open_count, open_until, is_probing, failing_since,
        last_failed_at, last_failure_silent)
    SELECT t.webhook_id, t.failures, 0, NULL, false, rdev_webhooks.now(),
        rdev_webhooks.now(), t.silent
    FROM outcomes t
    WHERE NOT t.succeeded AND (SELECT count(*) FROM unhealthy) >= 0
        AND EXISTS (SELECT FROM rdev_webhooks.webhooks w
            WHERE w.id = t.webhook_id AND w.deleted_at IS NULL)
    ORDER BY t.webhook_id
    ON CONFLICT (webhook_id) DO UPDATE SET
        last_failed_at = excluded.last_failed_at, last_failure_silent = excluded.last_failure_silent,
        consecutive_failures = least(
            h.consecutive_failures::int8 + excluded.consecutive_failures, 2147483647),
        (open_count, open_until, is_probing) = (SELECT
            CASE WHEN opens THEN least(h.open_count, 2147483646) + 1
                ELSE h.open_count END,
            CASE WHEN opens
                    THEN rdev_webhooks.now() + rdev_webhooks.open_for(h.open_count + 1, $28, $29)
                WHEN h.is_probing AND excluded.consecutive_failures = 0
                    THEN rdev_webhooks.now()
                ELSE h.open_until END,
            h.is_probing AND NOT opens AND excluded.consecutive_failures > 0
            FROM (SELECT excluded.consecutive_failures > 0 AND rdev_webhooks.opens_circuit(
                h.consecutive_failures::int8 + excluded.consecutive_failures,
                h.failing_since, h.open_count, h.open_until, h.is_probing, $26, $27) AS opens) o)
    RETURNING h.webhook_id, h.open_count, h.failing_since, h.failing_reported
)
SELECT n, NULL::uuid AS webhook_id, NULL AS transition, NULL::timestamptz AS failing_since FROM applied
UNION ALL SELECT NULL, NULL, 'wanted', NULL FROM wanted WHERE is_wanted
UNION ALL SELECT n, id, 'gone', NULL FROM disabled
UNION ALL SELECT NULL, webhook_id, CASE WHEN failing_reported THEN 'recovered' ELSE 'closed' END, failing_since
    FROM recovered WHERE open_count > 0
UNION ALL SELECT NULL, webhook_id, 'failing', failing_since FROM failed
    WHERE open_count > 0 AND NOT failing_reported
UNION ALL SELECT (SELECT max(p.n) FROM applied p WHERE p.webhook_id = f.webhook_id
        AND p.health NOT IN ('none', 'succeeded')),
    f.webhook_id, 'opened', NULL
    FROM failed f LEFT JOIN unhealthy u USING (webhook_id)
    WHERE f.open_count > 0 AND coalesce(u.open_count, 0) = 0
