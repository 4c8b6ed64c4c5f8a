-- Records successful attempts. Parameters, arrays with an element for each settlement: $1 id, $2 token,
-- $3 trigger, $4 started_at, $5 duration_ns, $6 dns_ns, $7 connect_ns, $8 tls_ns, $9 first_byte_ns, $10 signature,
-- $11 response_status, $12 response_headers, $13 response_body, $14 response_truncated; and $15 succeeded.
--
-- It leaves out the deliveries of webhooks that were reported as failing: their recovery is to be reported.
WITH finished AS (
    DELETE FROM rdev_webhooks.delivery_queue q
    USING unnest($1::uuid[], $2::int8[], $3::text[], $4::timestamptz[], $5::int8[],
        $6::int8[], $7::int8[], $8::int8[], $9::int8[], $10::text[], $11::int4[],
        $12::text[], $13::bytea[], $14::bool[]) WITH ORDINALITY
        AS g(id, token, trigger, started_at, duration_ns, dns_ns, connect_ns, tls_ns,
            first_byte_ns, signature, response_status, response_headers, response_body,
            response_truncated, n)
    WHERE q.id = g.id AND q.lease_token = g.token
        AND ((SELECT NOT EXISTS (SELECT FROM rdev_webhooks.endpoint_health h WHERE h.failing_reported))
            OR NOT EXISTS (SELECT FROM rdev_webhooks.endpoint_health h
                WHERE h.webhook_id = q.webhook_id AND h.failing_reported))
    RETURNING g.*, q.event_id, q.webhook_id, q.attempts, q.automatic_attempts
),
recorded AS (
    INSERT INTO rdev_webhooks.deliveries (id, event_id, webhook_id, finished_at,
        attempts, automatic_attempts, status, success_trigger, success_started_at,
        success_duration_ns, success_dns_ns, success_connect_ns, success_tls_ns,
        success_first_byte_ns, success_signature, success_response_status,
        success_response_headers, success_response_body, success_response_truncated, last_attempt)
    SELECT f.id, f.event_id, f.webhook_id, rdev_webhooks.now(), f.attempts,
        f.automatic_attempts, $15, f.trigger::rdev_webhooks.attempt_trigger,
        f.started_at, f.duration_ns, f.dns_ns, f.connect_ns, f.tls_ns,
        f.first_byte_ns, f.signature, f.response_status, f.response_headers, f.response_body,
        f.response_truncated,
        CASE WHEN f.trigger <> 'automatic' OR f.response_status <> 200
            THEN f.trigger || '//' || f.response_status END
    FROM finished f
),
recovered AS (
    DELETE FROM rdev_webhooks.endpoint_health h
    WHERE h.webhook_id = ANY(ARRAY(SELECT webhook_id FROM finished)) AND NOT h.failing_reported
    RETURNING h.webhook_id, h.open_count
)
SELECT n, NULL AS webhook_id, NULL AS transition, NULL::timestamptz AS failing_since FROM finished
UNION ALL SELECT NULL, webhook_id, 'closed', NULL FROM recovered WHERE open_count > 0
