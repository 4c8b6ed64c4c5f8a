-- Whether `webhook.failing` was published of the current series of failures, so that its end is published too.
ALTER TABLE rdev_webhooks.endpoint_health ADD COLUMN failing_reported boolean NOT NULL DEFAULT false;
-- Usually empty. A batch of successes asks once whether it has any row.
CREATE INDEX endpoint_health_by_webhook_id_reported ON rdev_webhooks.endpoint_health (webhook_id)
    WHERE failing_reported;

-- These names are the service's own now.
DELETE FROM rdev_webhooks.event_types WHERE name IN ('delivery.failed', 'replay.completed');

-- EventType::matching_patterns: the type itself, its prefixes and, unless it is operational, `*`.
CREATE OR REPLACE FUNCTION rdev_webhooks.matching_patterns(event_type text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT array_agg(pattern) FROM (
        SELECT event_type AS pattern
        UNION ALL
        SELECT array_to_string(segments[:n], '.') || '.*'
        FROM (SELECT string_to_array(event_type, '.') AS segments) s, generate_series(1, cardinality(segments) - 1) n
        UNION ALL
        SELECT '*' WHERE event_type NOT IN ('webhook.disabled', 'webhook.failing', 'webhook.recovered',
            'delivery.failed', 'replay.completed')
    ) patterns $$;
