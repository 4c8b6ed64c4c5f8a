-- What lists filter by: the key and the command of events, the last attempt of deliveries, the metadata of webhooks.

-- Events ------------------------------------------------------------------------------------------

-- CommandId::in_body: `data.command_id` of a built-in event, NULL if it is no such id.
CREATE FUNCTION rdev_webhooks.command_id(event_type text, body bytea) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    id json;
BEGIN
    IF event_type NOT IN ('command.started', 'command.completed', 'command.failed') THEN
        RETURN NULL;
    END IF;
    id := rdev_webhooks.without_nul(convert_from(body, 'UTF8')) -> 'data' -> 'command_id';
    RETURN CASE WHEN json_typeof(id) = 'string' AND char_length(id #>> '{}') BETWEEN 1 AND 255
        AND id #>> '{}' !~ '[\x01-\x1f\x7f-\x9f]' THEN id #>> '{}' END;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;

ALTER TABLE rdev_webhooks.events ADD COLUMN command_id text COLLATE "C";
UPDATE rdev_webhooks.events SET command_id = rdev_webhooks.command_id(event_type, body)
WHERE event_type IN ('command.started', 'command.completed', 'command.failed');
CREATE INDEX events_by_command_id_id ON rdev_webhooks.events (command_id, id) WHERE command_id IS NOT NULL;
CREATE INDEX events_by_key_id ON rdev_webhooks.events (key, id) WHERE key IS NOT NULL;

-- As before, with the command.
CREATE OR REPLACE FUNCTION rdev_webhooks.add_event(
    id uuid, event_type text, project text, key text, key_lifetime interval, occurred_at timestamptz,
    traceparent text, body bytea, max_deliveries integer,
    OUT event_id uuid, OUT deliveries integer, OUT is_duplicate boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
    AS $$
#variable_conflict use_column
DECLARE
    receivers uuid[];
BEGIN
    event_id := add_event.id;
    is_duplicate := false;
    IF add_event.key IS NOT NULL THEN
        SELECT k.event_id, k.deliveries, true INTO event_id, deliveries, is_duplicate
        FROM rdev_webhooks.event_keys k
        WHERE k.project = coalesce(add_event.project, '') AND k.key = add_event.key
            AND k.expires_at > rdev_webhooks.now();
        IF FOUND THEN
            RETURN;
        END IF;
        event_id := add_event.id;
        is_duplicate := false;
    END IF;

    receivers := ARRAY(
        SELECT DISTINCT s.webhook_id
        FROM unnest(rdev_webhooks.matching_patterns(add_event.event_type)) AS p(pattern)
        CROSS JOIN unnest(ARRAY['', add_event.project]) AS o(project)
        JOIN rdev_webhooks.subscriptions s ON s.pattern = p.pattern AND s.project = o.project
        LIMIT add_event.max_deliveries + 1);
    IF cardinality(receivers) > add_event.max_deliveries THEN
        RETURN;
    END IF;
    deliveries := cardinality(receivers);

    IF add_event.key IS NOT NULL THEN
        -- Waits for a transaction that uses the key at the moment.
        INSERT INTO rdev_webhooks.event_keys AS k (project, key, event_id, deliveries, expires_at)
        VALUES (coalesce(add_event.project, ''), add_event.key, add_event.id, cardinality(receivers),
            rdev_webhooks.now() + add_event.key_lifetime)
        ON CONFLICT (project, key) DO UPDATE SET event_id = excluded.event_id,
            deliveries = excluded.deliveries, expires_at = excluded.expires_at
        WHERE k.expires_at <= rdev_webhooks.now();
        IF NOT FOUND THEN
            SELECT k.event_id, k.deliveries, true INTO event_id, deliveries, is_duplicate
            FROM rdev_webhooks.event_keys k
            WHERE k.project = coalesce(add_event.project, '') AND k.key = add_event.key;
            RETURN;
        END IF;
    END IF;

    INSERT INTO rdev_webhooks.events (id, timestamp, event_type, project, key, traceparent, body, command_id)
    VALUES (add_event.id, add_event.occurred_at, add_event.event_type, add_event.project, add_event.key,
        add_event.traceparent, add_event.body, rdev_webhooks.command_id(add_event.event_type, add_event.body));
    IF deliveries > 0 THEN
        INSERT INTO rdev_webhooks.delivery_queue (id, event_id, webhook_id, due_at)
        SELECT rdev_webhooks.delivery_id(add_event.id, r.webhook_id), add_event.id, r.webhook_id, rdev_webhooks.now()
        FROM unnest(receivers) AS r(webhook_id);
        INSERT INTO rdev_webhooks.added_events (event_id, added_at) VALUES (add_event.id, rdev_webhooks.now());
    END IF;
END $$;

-- Deliveries --------------------------------------------------------------------------------------

-- Attempt::summary: the trigger, the class of the failure and the status of the response.
CREATE FUNCTION rdev_webhooks.attempt_summary(
    trigger rdev_webhooks.attempt_trigger, failure_class text, response_status integer) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT trigger::text || '/' || coalesce(failure_class, '') || '/' || coalesce(response_status::text, '') $$;

-- The summary of the last attempt. NULL stands for no attempt, and in the row of a delivery that succeeded for
-- 'automatic//200': so most deliveries are in none of these indexes.
ALTER TABLE rdev_webhooks.delivery_queue ADD COLUMN last_attempt text COLLATE "C";
ALTER TABLE rdev_webhooks.deliveries ADD COLUMN last_attempt text COLLATE "C";
UPDATE rdev_webhooks.delivery_queue q SET last_attempt = (
    SELECT rdev_webhooks.attempt_summary(a.trigger, a.failure_class, a.response_status)
    FROM rdev_webhooks.attempts a WHERE a.delivery_id = q.id ORDER BY a.number DESC LIMIT 1)
WHERE q.attempts > 0;
UPDATE rdev_webhooks.deliveries d SET last_attempt = l.summary
FROM rdev_webhooks.deliveries o
CROSS JOIN LATERAL (
    SELECT CASE WHEN o.success_started_at IS NOT NULL
        THEN rdev_webhooks.attempt_summary(o.success_trigger, NULL, o.success_response_status)
        ELSE (SELECT rdev_webhooks.attempt_summary(a.trigger, a.failure_class, a.response_status)
            FROM rdev_webhooks.attempts a WHERE a.delivery_id = o.id ORDER BY a.number DESC LIMIT 1) END AS summary) l
WHERE d.id = o.id AND l.summary IS NOT NULL
    AND NOT (o.status = 'succeeded' AND o.success_started_at IS NOT NULL
        AND o.success_trigger = 'automatic' AND o.success_response_status = 200)
    AND NOT (o.status = 'succeeded' AND l.summary = 'automatic//200');
CREATE INDEX delivery_queue_by_last_attempt_id ON rdev_webhooks.delivery_queue (last_attempt, id)
    WHERE last_attempt IS NOT NULL;
CREATE INDEX delivery_queue_by_webhook_id_last_attempt_id
    ON rdev_webhooks.delivery_queue (webhook_id, last_attempt, id) WHERE last_attempt IS NOT NULL;
CREATE INDEX deliveries_by_last_attempt_id ON rdev_webhooks.deliveries (last_attempt, id)
    WHERE last_attempt IS NOT NULL;
CREATE INDEX deliveries_by_webhook_id_last_attempt_id ON rdev_webhooks.deliveries (webhook_id, last_attempt, id)
    WHERE last_attempt IS NOT NULL;

-- Unfinished deliveries as lists show them, with what lists filter by.
CREATE VIEW rdev_webhooks.unfinished_deliveries AS
    SELECT id, event_id, webhook_id, attempts,
        rdev_webhooks.status(lease_expires_at, attempts, trigger, deferred_until) AS status,
        CASE WHEN lease_expires_at > rdev_webhooks.now() THEN lease_expires_at ELSE due_at END AS at,
        NULL::text AS reason, last_attempt
    FROM rdev_webhooks.delivery_queue;

-- Finished deliveries likewise.
CREATE VIEW rdev_webhooks.finished_deliveries AS
    SELECT id, event_id, webhook_id, attempts, status, finished_at AS at, reason,
        coalesce(last_attempt, CASE WHEN status = 'succeeded' THEN 'automatic//200' END) AS last_attempt,
        last_attempt AS indexed_attempt
    FROM rdev_webhooks.deliveries;

-- Webhooks ----------------------------------------------------------------------------------------

CREATE INDEX webhooks_by_metadata ON rdev_webhooks.webhooks USING gin (metadata jsonb_path_ops);
