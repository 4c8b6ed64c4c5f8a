-- The limits of webhooks that have none any more.
DELETE FROM rdev_webhooks.shared_limits l USING rdev_webhooks.webhooks w
    WHERE w.id = l.webhook_id AND w.rate_limit IS NULL AND w.max_in_flight IS NULL;

-- Publishes an event in the caller's transaction: the event and its deliveries are committed or rolled back with
-- the caller's own changes. Bad input raises an error and adds nothing.
--
-- `data` is the text of a JSON object, delivered byte for byte. `project` is taken from `data.project` if it is
-- absent. `key` is the producer's own id of the event. The rules are those of `POST /events`; a type with a JSON
-- Schema is refused, since only the API can check it.
CREATE OR REPLACE FUNCTION rdev_webhooks.publish(
    event_type text, data text, project text DEFAULT NULL, key text DEFAULT NULL,
    occurred_at timestamptz DEFAULT NULL, traceparent text DEFAULT NULL,
    OUT event_id text, OUT deliveries integer)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
    AS $$
DECLARE
    -- Later events of a transaction have later ids.
    at timestamptz := rdev_webhooks.now() + (clock_timestamp() - pg_catalog.now());
    checked text;
    parsed json;
    moment timestamptz;
    added record;
BEGIN
    IF event_type IS NULL OR octet_length(event_type) > 128 OR event_type !~ '^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$' THEN
        RAISE EXCEPTION 'event_type must be 1 to 128 letters, digits and underscores in segments separated by full '
            'stops, like command.completed' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF event_type IN ('webhook.disabled', 'webhook.failing', 'webhook.recovered', 'delivery.failed', 'replay.completed')
    THEN
        RAISE EXCEPTION '`%` cannot be published: only the service publishes operational events', event_type
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF split_part(event_type, '.', 1) = 'webhook' THEN
        RAISE EXCEPTION 'event types that begin with `webhook.` are reserved for the system'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF event_type NOT IN ('command.started', 'command.completed', 'command.failed') THEN
        SELECT t.schema IS NOT NULL AS has_schema INTO added
        FROM rdev_webhooks.event_types t WHERE t.name = publish.event_type;
        IF NOT FOUND THEN
            RAISE EXCEPTION '`%` is not a known event type: register it by PUT /event-types/%', event_type, event_type
                USING ERRCODE = 'invalid_parameter_value';
        ELSIF added.has_schema THEN
            RAISE EXCEPTION '`%` has a JSON Schema, which SQL cannot check: publish it through the API or the library',
                event_type USING ERRCODE = 'feature_not_supported';
        END IF;
    END IF;
    IF data IS NULL THEN
        RAISE EXCEPTION 'data is required' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    checked := rdev_webhooks.checked_data(data);
    parsed := rdev_webhooks.without_nul(checked);
    IF project IS NULL AND coalesce(json_typeof(parsed -> 'project'), 'null') <> 'null' THEN
        IF json_typeof(parsed -> 'project') <> 'string' THEN
            RAISE EXCEPTION 'data.project must be a string' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        project := parsed ->> 'project';
    END IF;
    IF char_length(project) NOT BETWEEN 1 AND 128 OR project ~ '[\x01-\x1f\x7f-\x9f]'
        OR project ~ '^[\x20\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]'
        OR project ~ '[\x20\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$'
    THEN
        RAISE EXCEPTION 'project must be 1 to 128 characters without control characters, and without white space at '
            'either end' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF key !~ '^[!-~]{1,255}$' THEN
        RAISE EXCEPTION 'key must be 1 to 255 visible ASCII characters' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF traceparent !~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$' OR traceparent ~ '^00-(0{32}|.{32}-0{16})-' THEN
        RAISE EXCEPTION 'traceparent is not a W3C traceparent of version 00' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    moment := coalesce(occurred_at, date_trunc('milliseconds', at));
    IF NOT (moment >= '0001-01-01 00:00:00+00' AND moment < '10000-01-01 00:00:00+00') THEN
        RAISE EXCEPTION 'occurred_at must be between the years 1 and 9999' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT e.event_id, e.deliveries INTO added FROM rdev_webhooks.add_event(
        rdev_webhooks.new_id(at), event_type, project, key,
        (SELECT r.period FROM rdev_webhooks.retention r), moment, traceparent,
        convert_to(format('{"event":"%s","timestamp":"%s","data":%s}', event_type,
            rdev_webhooks.timestamp_text(moment), checked), 'UTF8'), 100000) AS e;
    IF added.deliveries IS NULL THEN
        RAISE EXCEPTION 'the event would create more than 100000 deliveries, one for each webhook that gets it'
            USING ERRCODE = 'program_limit_exceeded';
    END IF;
    event_id := rdev_webhooks.id_text('evt', added.event_id);
    deliveries := added.deliveries;
END $$;
