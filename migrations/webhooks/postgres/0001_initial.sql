-- The first schema. All objects are in a schema of their own, so that they can share a database with an
-- embedding application; every statement names the schema, and no search_path matters.

CREATE SCHEMA IF NOT EXISTS rdev_webhooks;

-- Time and ids -----------------------------------------------------------------------------------

-- The only clock used for scheduling. It is the database's, so that no machine's own clock matters; it is
-- inlined, so that it costs nothing; and a test can replace it to let time pass.
CREATE FUNCTION rdev_webhooks.now() RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT pg_catalog.now() $$;

-- Returns the smallest id that could be made at a moment.
CREATE FUNCTION rdev_webhooks.id_floor(at timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT (lpad(to_hex(floor(extract(epoch FROM greatest(at, 'epoch'::timestamptz)) * 1000)::bigint), 12, '0')
                  || '00000000000000000000')::uuid $$;

-- Return the smallest and the greatest id of the same millisecond. A delivery has its event's millisecond, so
-- these find an event's deliveries by their primary key.
CREATE FUNCTION rdev_webhooks.id_first_of_ms(id uuid) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT encode(substring(uuid_send(id) FOR 6) || '\x00000000000000000000'::bytea, 'hex')::uuid $$;
CREATE FUNCTION rdev_webhooks.id_last_of_ms(id uuid) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT encode(substring(uuid_send(id) FOR 6) || '\xffffffffffffffffffff'::bytea, 'hex')::uuid $$;

-- DeliveryId::derive: the event's millisecond, then bits of SHA-256(event ‖ webhook), as a UUIDv7. One
-- expression, so that it is inlined: bits 52–55 are the version's, 70 and 71 the variant's.
CREATE FUNCTION rdev_webhooks.delivery_id(event_id uuid, webhook_id uuid) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT encode(
        set_bit(set_bit(set_bit(set_bit(set_bit(set_bit(
            substring(uuid_send(event_id) FOR 6)
            || substring(sha256(uuid_send(event_id) || uuid_send(webhook_id)) FROM 7 FOR 10),
        52, 1), 53, 1), 54, 1), 55, 0), 70, 0), 71, 1), 'hex')::uuid $$;

CREATE TYPE rdev_webhooks.attempt_trigger AS ENUM ('automatic', 'manual', 'replay');

-- Webhooks ----------------------------------------------------------------------------------------

CREATE TABLE rdev_webhooks.webhooks (
    id                  uuid PRIMARY KEY,
    version             bigint NOT NULL,
    url                 text NOT NULL,
    description         text,
    events              text[] NOT NULL,
    projects            text[] NOT NULL,
    retry               text NOT NULL,
    timeout_ns          bigint,
    rate_limit          double precision,
    max_in_flight       bigint,
    signing             text NOT NULL,
    -- Sealed by the keyring, bound to this row and column: `name: value` lines, and the secrets' texts.
    headers             bytea,
    secret              bytea NOT NULL,
    previous_secret     bytea,
    previous_secret_until timestamptz,
    disabled_reason     text,
    disabled_since      timestamptz,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    deleted_at          timestamptz,
    CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL)),
    CHECK ((disabled_reason IS NULL) = (disabled_since IS NULL))
);
CREATE INDEX webhooks_deleted ON rdev_webhooks.webhooks (deleted_at) WHERE deleted_at IS NOT NULL;

-- Subscriptions: a row for each pattern and project of an enabled webhook, '' standing for all projects.
-- Derived from the row in `webhooks` and changed with it; publishing reads nothing else.
CREATE TABLE rdev_webhooks.subscriptions (
    pattern             text NOT NULL,
    project             text NOT NULL,
    webhook_id          uuid NOT NULL,
    PRIMARY KEY (pattern, project, webhook_id)
);
CREATE INDEX subscriptions_webhook ON rdev_webhooks.subscriptions (webhook_id);

-- Events ------------------------------------------------------------------------------------------

CREATE TABLE rdev_webhooks.events (
    id                  uuid NOT NULL,
    occurred_at         timestamptz NOT NULL,
    event_type          text NOT NULL,
    project             text,
    key                 text,
    traceparent         text,
    -- Exactly what is signed and sent.
    body                bytea NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX events_type ON rdev_webhooks.events (event_type, id);
CREATE INDEX events_project ON rdev_webhooks.events (project, id) WHERE project IS NOT NULL;

-- Event keys; '' is the project of an event that has none.
CREATE TABLE rdev_webhooks.event_keys (
    project             text NOT NULL,
    key                 text NOT NULL,
    event_id            uuid NOT NULL,
    deliveries          integer NOT NULL,
    expires_at          timestamptz NOT NULL,
    PRIMARY KEY (project, key)
);
CREATE INDEX event_keys_event ON rdev_webhooks.event_keys (event_id);

-- Deliveries --------------------------------------------------------------------------------------

-- Unfinished deliveries only. No foreign keys: they would lock shared rows. The lease is in no index, so
-- claiming rewrites no index entry.
CREATE TABLE rdev_webhooks.delivery_queue (
    id                  uuid NOT NULL,
    event_id            uuid NOT NULL,
    webhook_id          uuid NOT NULL,
    due_at              timestamptz NOT NULL,
    -- The automatic retry after a requested attempt.
    resume_at           timestamptz,
    lease_token         bigint,
    lease_taken_at      timestamptz,
    lease_expires_at    timestamptz,
    attempts            integer NOT NULL DEFAULT 0,
    automatic_attempts  integer NOT NULL DEFAULT 0,
    takeovers           integer NOT NULL DEFAULT 0,
    trigger             rdev_webhooks.attempt_trigger NOT NULL DEFAULT 'automatic',
    PRIMARY KEY (id),
    CHECK (num_nonnulls(lease_token, lease_taken_at, lease_expires_at) IN (0, 3))
) WITH (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 1, autovacuum_analyze_threshold = 100000
);
-- For discovery and claims.
CREATE INDEX delivery_queue_due ON rdev_webhooks.delivery_queue (webhook_id, due_at);
-- For listing one webhook's deliveries.
CREATE INDEX delivery_queue_webhook ON rdev_webhooks.delivery_queue (webhook_id, id);

-- Returns the status of an unfinished delivery, as Progress::state does.
CREATE FUNCTION rdev_webhooks.status(
    lease_expires_at timestamptz, attempts integer, trigger rdev_webhooks.attempt_trigger, resume_at timestamptz
) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT CASE
        WHEN lease_expires_at > rdev_webhooks.now() THEN 'in_flight'
        WHEN attempts > 0 AND (trigger = 'automatic' OR resume_at IS NOT NULL) THEN 'retrying'
        ELSE 'pending' END $$;

-- Finished deliveries: a row is added when a delivery ends, and removed only when it is redelivered.
CREATE TABLE rdev_webhooks.deliveries (
    id                  uuid NOT NULL,
    event_id            uuid NOT NULL,
    webhook_id          uuid NOT NULL,
    finished_at         timestamptz NOT NULL,
    attempts            integer NOT NULL,
    automatic_attempts  integer NOT NULL,
    outcome             text NOT NULL CHECK (outcome IN ('succeeded', 'failed', 'cancelled')),
    -- Why it failed or was cancelled.
    reason              text,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX deliveries_webhook ON rdev_webhooks.deliveries (webhook_id, id);
CREATE INDEX deliveries_unhappy ON rdev_webhooks.deliveries (outcome, id)
    WHERE outcome <> 'succeeded';
CREATE INDEX deliveries_webhook_unhappy ON rdev_webhooks.deliveries (webhook_id, outcome, id)
    WHERE outcome <> 'succeeded';

CREATE TABLE rdev_webhooks.attempts (
    delivery_id         uuid NOT NULL,
    number              integer NOT NULL,
    trigger             rdev_webhooks.attempt_trigger NOT NULL,
    started_at          timestamptz NOT NULL,
    duration_ns         bigint NOT NULL,
    dns_ns              bigint,
    connect_ns          bigint,
    tls_ns              bigint,
    first_byte_ns       bigint,
    signature           text NOT NULL,
    -- The response, if there was one: then the status is set.
    status              integer,
    response_headers    text,
    response_body       bytea,
    response_truncated  boolean,
    -- Why the attempt did not succeed, if it did not.
    failure_class       text,
    failure_detail      text,
    PRIMARY KEY (delivery_id, number)
) PARTITION BY RANGE (delivery_id);

-- Partitions --------------------------------------------------------------------------------------

-- Rows with an id of a day without a partition. Usually empty; ensure_partitions moves rows out once their
-- day gets a partition.
CREATE TABLE rdev_webhooks.events_default PARTITION OF rdev_webhooks.events DEFAULT;
CREATE TABLE rdev_webhooks.deliveries_default PARTITION OF rdev_webhooks.deliveries DEFAULT;
CREATE TABLE rdev_webhooks.attempts_default PARTITION OF rdev_webhooks.attempts DEFAULT;

-- Creates the partitions of yesterday, today and the next days, by UTC, and returns how many it created. The
-- caller holds the advisory lock, so that no two calls run at once.
--
-- A partition is created separately and then attached, which unlike CREATE TABLE … PARTITION OF lets the
-- other partitions be read and written meanwhile.
CREATE FUNCTION rdev_webhooks.ensure_partitions(days_ahead integer) RETURNS integer
    LANGUAGE plpgsql
    AS $$
DECLARE
    today timestamptz := date_trunc('day', rdev_webhooks.now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    parent text;
    id_column text;
    partition text;
    low uuid;
    high uuid;
    stray boolean;
    made integer := 0;
BEGIN
    FOR day IN -1..days_ahead LOOP
        -- 24 hours are a day in UTC, whatever the session's time zone.
        low := rdev_webhooks.id_floor(today + day * interval '24 hours');
        high := rdev_webhooks.id_floor(today + (day + 1) * interval '24 hours');
        FOREACH parent IN ARRAY ARRAY['events', 'deliveries', 'attempts'] LOOP
            partition := parent || to_char((today + day * interval '24 hours') AT TIME ZONE 'UTC', '"_"YYYYMMDD');
            CONTINUE WHEN to_regclass(format('rdev_webhooks.%I', partition)) IS NOT NULL;
            id_column := CASE parent WHEN 'attempts' THEN 'delivery_id' ELSE 'id' END;
            EXECUTE format('CREATE TABLE rdev_webhooks.%I (LIKE rdev_webhooks.%I INCLUDING ALL)', partition, parent);
            EXECUTE format('SELECT EXISTS (SELECT FROM rdev_webhooks.%I WHERE %I >= $1 AND %I < $2)',
                parent || '_default', id_column, id_column) INTO stray USING low, high;
            IF stray THEN
                EXECUTE format('LOCK TABLE rdev_webhooks.%I IN ACCESS EXCLUSIVE MODE', parent || '_default');
                EXECUTE format(
                    'WITH moved AS (DELETE FROM rdev_webhooks.%I WHERE %I >= $1 AND %I < $2 RETURNING *)
                     INSERT INTO rdev_webhooks.%I SELECT * FROM moved',
                    parent || '_default', id_column, id_column, partition) USING low, high;
            END IF;
            EXECUTE format('ALTER TABLE rdev_webhooks.%I ATTACH PARTITION rdev_webhooks.%I FOR VALUES FROM (%L) TO (%L)',
                parent, partition, low, high);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

SELECT rdev_webhooks.ensure_partitions(3);
