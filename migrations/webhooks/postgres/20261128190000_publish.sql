-- Publishing inside the transaction of a caller: `rdev_webhooks.publish` for any language, and `add_event`, which
-- it shares with the library. Both run with the rights of the schema's owner, so that a caller needs no right
-- but to execute them.

-- Events that were added inside a caller's transaction, until a worker has seen them committed. The rows of a
-- transaction that stayed open for long are older than the marks from which workers scan the queue; see
-- `surface_added` in store-postgres/src/queue/asleep.rs.
CREATE TABLE rdev_webhooks.added_events (
    event_id            uuid PRIMARY KEY,
    added_at            timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- How long rows are kept, as the workers record it: the keys of events live as long.
ALTER TABLE rdev_webhooks.retention ADD COLUMN period interval NOT NULL DEFAULT '30 days';

-- Returns the text of an id, as in the API: a prefix, an underscore, and 26 characters of base32.
CREATE FUNCTION rdev_webhooks.id_text(prefix text, id uuid) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT prefix || '_' || string_agg(
        substr('0123456789abcdefghjkmnpqrstvwxyz', substring(bits FROM n FOR 5)::integer + 1, 1), '' ORDER BY n)
        FROM (SELECT B'00' || ('x' || replace(id::text, '-', ''))::bit(128) AS bits) id,
            generate_series(1, 126, 5) n $$;

-- Returns a new id of this moment: a UUIDv7.
CREATE FUNCTION rdev_webhooks.new_id(at timestamptz) RETURNS uuid
    LANGUAGE sql VOLATILE PARALLEL SAFE
    AS $$ SELECT encode(set_byte(bytes, 6, get_byte(bytes, 6) & 15 | 112), 'hex')::uuid
        FROM (SELECT substring(uuid_send(rdev_webhooks.id_floor(at)) FOR 6)
            || substring(uuid_send(gen_random_uuid()) FROM 7) AS bytes) id $$;

-- Returns a time as RFC 3339 in UTC, with as many digits as bodies have.
CREATE FUNCTION rdev_webhooks.timestamp_text(at timestamptz) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') || CASE
        WHEN extract(microseconds FROM at)::bigint % 1000000 = 0 THEN ''
        WHEN extract(microseconds FROM at)::bigint % 1000 = 0 THEN to_char(at, '.MS')
        ELSE to_char(at, '.US') END || 'Z' $$;

-- EventType::matching_patterns: the type itself, its prefixes and, unless it is operational, `*`.
CREATE FUNCTION rdev_webhooks.matching_patterns(event_type text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT array_agg(pattern) FROM (
        SELECT event_type AS pattern
        UNION ALL
        SELECT array_to_string(segments[:n], '.') || '.*'
        FROM (SELECT string_to_array(event_type, '.') AS segments) s, generate_series(1, cardinality(segments) - 1) n
        UNION ALL
        SELECT '*' WHERE event_type <> 'webhook.disabled'
    ) patterns $$;

-- Adds an event with its deliveries, and returns the id and the number of deliveries: those of the first event
-- if the key was used before (`is_duplicate`). It checks nothing but the number of deliveries: if they are more
-- than `max_deliveries`, it adds nothing and returns NULL for them.
--
-- Two callers wait for each other only if they use the same key.
CREATE FUNCTION rdev_webhooks.add_event(
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

    INSERT INTO rdev_webhooks.events (id, timestamp, event_type, project, key, traceparent, body)
    VALUES (add_event.id, add_event.occurred_at, add_event.event_type, add_event.project, add_event.key,
        add_event.traceparent, add_event.body);
    IF deliveries > 0 THEN
        INSERT INTO rdev_webhooks.delivery_queue (id, event_id, webhook_id, due_at)
        SELECT rdev_webhooks.delivery_id(add_event.id, r.webhook_id), add_event.id, r.webhook_id, rdev_webhooks.now()
        FROM unnest(receivers) AS r(webhook_id);
        INSERT INTO rdev_webhooks.added_events (event_id, added_at) VALUES (add_event.id, rdev_webhooks.now());
    END IF;
END $$;

-- Returns JSON with another control character instead of NUL, which the database cannot read.
CREATE FUNCTION rdev_webhooks.without_nul(data text) RETURNS json
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET standard_conforming_strings = on
    -- Once an escaped backslash is written as a code, each backslash begins an escape sequence.
    AS $$ SELECT (CASE WHEN position('\u0000' IN data) = 0 THEN data
        ELSE replace(replace(data, '\\', '\u005c'), '\u0000', '\u0001') END)::json $$;

-- Checks the text of an event's data, as the API does, and returns it without white space around it. It must
-- be a JSON object that every JSON parser can read.
CREATE FUNCTION rdev_webhooks.checked_data(data text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
    AS $$
DECLARE
    trimmed text := btrim(data, E' \t\n\r');
    parsed json;
    unescaped text;
    structure text;
    repeated text;
BEGIN
    IF octet_length(trimmed) > 262144 THEN
        RAISE EXCEPTION 'data must have at most 262144 bytes' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    BEGIN
        parsed := trimmed::json;
    EXCEPTION WHEN invalid_text_representation THEN
        RAISE EXCEPTION 'data is not JSON: %', SQLERRM USING ERRCODE = 'invalid_parameter_value';
    END;
    IF json_typeof(parsed) <> 'object' THEN
        RAISE EXCEPTION 'data must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Without escaped backslashes, each backslash begins another escape sequence.
    unescaped := regexp_replace(trimmed, '\\\\', '', 'g');
    IF unescaped ~* '\\ud[89a-f]' AND regexp_replace(unescaped,
        '\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g') ~* '\\ud[89a-f]'
    THEN
        RAISE EXCEPTION 'data contains half of a surrogate pair (a lone \ud800 to \udfff)'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    structure := regexp_replace(unescaped, '"([^"\\]|\\.)*"', '""', 'g');
    -- No shorter number is beyond the range.
    IF structure ~ '[eE]|[0-9]{155}[0-9]{154}' AND EXISTS (
        SELECT FROM regexp_matches(structure, '([0-9]+(?:\.[0-9]+)?)(?:[eE]([-+]?[0-9]+))?', 'g') AS n(parts)
        WHERE CASE
            WHEN parts[1] ~ '^[0.]*$' THEN false
            WHEN parts[2] ~ '^-' AND length(parts[1]) <= 308 THEN false
            WHEN length(regexp_replace(parts[2], '^[-+]?0*', '')) > 4 THEN true
            ELSE (parts[1] || 'e' || coalesce(parts[2], '0'))::numeric >= 2::numeric ^ 1024 - 2::numeric ^ 970 END
    ) THEN
        RAISE EXCEPTION 'data contains a number beyond the range of a double' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF structure ~ '([\[{][^\[{]*){100}' AND (
        SELECT max(depth) FROM (
            SELECT sum(CASE WHEN b[1] IN ('[', '{') THEN 1 ELSE -1 END) OVER (ORDER BY n) AS depth
            FROM regexp_matches(structure, '[][{}]', 'g') WITH ORDINALITY AS b(b, n)) depths) > 99
    THEN
        RAISE EXCEPTION 'data is nested more than 99 levels deep' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    parsed := rdev_webhooks.without_nul(trimmed);
    SELECT name INTO repeated FROM json_object_keys(parsed) AS name GROUP BY name HAVING count(*) > 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'data contains the member % twice', to_json(repeated) USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN trimmed;
END $$;

-- Publishes an event in the caller's transaction: the event and its deliveries are committed or rolled back with
-- the caller's own changes. Bad input raises an error and adds nothing.
--
-- `data` is the text of a JSON object, delivered byte for byte. `project` is taken from `data.project` if it is
-- absent. `key` is the producer's own id of the event. The rules are those of `POST /events`; a type with a JSON
-- Schema is refused, since only the API can check it.
CREATE FUNCTION rdev_webhooks.publish(
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

-- A role may publish without any other right, so what runs with the owner's rights is granted by name.
REVOKE ALL ON FUNCTION rdev_webhooks.publish, rdev_webhooks.add_event, rdev_webhooks.ensure_partitions,
    rdev_webhooks.partition_rows, rdev_webhooks.drop_partition FROM PUBLIC;
