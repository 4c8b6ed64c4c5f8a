-- The schema of webhooks. All objects are in a schema of their own, so that they can share a database with an
-- embedding application; every statement names the schema, and no search_path matters. `_migrations` in the
-- same schema records what was applied.

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
    -- The public keys of an ed25519 webhook, with which receivers verify. They are not secret.
    public_key          text,
    previous_public_key text,
    disabled_reason     text,
    -- NULL if it is enabled.
    disabled_at         timestamptz,
    -- Whether some of its deliveries are asleep until it is enabled.
    holds_deliveries    boolean NOT NULL DEFAULT false,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    deleted_at          timestamptz,
    CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL)),
    CHECK ((disabled_reason IS NULL) = (disabled_at IS NULL))
);
CREATE INDEX webhooks_by_deleted_at ON rdev_webhooks.webhooks (deleted_at) WHERE deleted_at IS NOT NULL;
-- Recently disabled webhooks.
CREATE INDEX webhooks_by_disabled_at_id ON rdev_webhooks.webhooks (disabled_at, id)
    WHERE disabled_at IS NOT NULL AND deleted_at IS NULL;
-- Enabled webhooks whose deliveries are to be woken.
CREATE INDEX webhooks_by_id ON rdev_webhooks.webhooks (id)
    WHERE holds_deliveries AND disabled_at IS NULL AND deleted_at IS NULL;

-- Returns whether a caller sees a webhook that takes the events of `projects`, '{}' standing for all. A caller
-- with `visible_to` sees those that take only events of these projects; every other caller sees all.
CREATE FUNCTION rdev_webhooks.is_visible(projects text[], visible_to text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT visible_to IS NULL OR (projects <> '{}' AND projects <@ visible_to) $$;

-- Subscriptions: a row for each pattern and project of an enabled webhook, '' standing for all projects.
-- Derived from the row in `webhooks` and changed with it; publishing reads nothing else.
CREATE TABLE rdev_webhooks.subscriptions (
    pattern             text NOT NULL,
    project             text NOT NULL,
    webhook_id          uuid NOT NULL,
    PRIMARY KEY (pattern, project, webhook_id)
);
CREATE INDEX subscriptions_by_webhook_id ON rdev_webhooks.subscriptions (webhook_id);

-- The health of endpoints: a row for each webhook whose last attempt failed, and for no other, so that the
-- many healthy ones cost nothing.
CREATE TABLE rdev_webhooks.endpoint_health (
    webhook_id           uuid PRIMARY KEY REFERENCES rdev_webhooks.webhooks ON DELETE CASCADE,
    consecutive_failures integer NOT NULL,
    open_count           integer NOT NULL,
    -- Set if and only if the circuit has opened.
    open_until           timestamptz,
    is_probing           boolean NOT NULL,
    failing_since        timestamptz NOT NULL,
    -- When the last failed attempt was recorded, and whether it took so long that it occupied its slot in a
    -- worker.
    last_failed_at       timestamptz NOT NULL DEFAULT 'epoch',
    last_failure_silent  boolean NOT NULL DEFAULT false,
    CHECK ((open_count > 0) = (open_until IS NOT NULL))
) WITH (fillfactor = 50);

-- The circuit's part of Health::failed: returns whether so many failures in a row, over that time, open it.
-- An open circuit does not open again, unless the probe failed.
CREATE FUNCTION rdev_webhooks.opens_circuit(
    failures bigint, failing_since timestamptz, open_count integer, open_until timestamptz, is_probing boolean,
    open_after bigint, open_after_failing_for interval)
    RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT failures >= open_after AND failing_since <= rdev_webhooks.now() - open_after_failing_for
        AND (open_count = 0 OR is_probing OR open_until <= rdev_webhooks.now()) $$;

-- health::open_for: returns the first wait, then twice as long each time, up to the longest.
CREATE FUNCTION rdev_webhooks.open_for(open_count integer, first_open interval, longest_open interval)
    RETURNS interval
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT least(first_open * power(2, least(open_count - 1, 20)), longest_open) $$;

-- Events ------------------------------------------------------------------------------------------

CREATE TABLE rdev_webhooks.events (
    id                  uuid NOT NULL,
    timestamp           timestamptz NOT NULL,
    event_type          text NOT NULL,
    project             text,
    key                 text,
    traceparent         text,
    -- Exactly what is signed and sent.
    body                bytea NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX events_by_event_type_id ON rdev_webhooks.events (event_type, id);
CREATE INDEX events_by_project_id ON rdev_webhooks.events (project, id) WHERE project IS NOT NULL;

-- Event keys; '' is the project of an event that has none.
CREATE TABLE rdev_webhooks.event_keys (
    project             text NOT NULL,
    key                 text NOT NULL,
    event_id            uuid NOT NULL,
    deliveries          integer NOT NULL,
    expires_at          timestamptz NOT NULL,
    PRIMARY KEY (project, key)
);
CREATE INDEX event_keys_by_event_id ON rdev_webhooks.event_keys (event_id);

-- Deliveries --------------------------------------------------------------------------------------

-- Unfinished deliveries only. No foreign keys: they would lock shared rows. The lease is in no index, so
-- claiming rewrites no index entry.
--
-- Discovery walks from webhook to webhook, so deliveries that cannot be claimed yet must not be in its way,
-- however many webhooks have some. A delivery whose retry is not due is asleep until then, and a delivery of
-- a disabled webhook until that is enabled again ('infinity'). When it wakes, `wake_at` is NULL again, as at
-- first.
--
-- The application enforces the invariants of a delivery by its types: the database plans a CHECK again in
-- every statement, a considerable part of the cost of a small batch.
CREATE TABLE rdev_webhooks.delivery_queue (
    id                  uuid NOT NULL,
    event_id            uuid NOT NULL,
    webhook_id          uuid NOT NULL,
    due_at              timestamptz NOT NULL,
    wake_at             timestamptz,
    -- The automatic retry after a requested attempt.
    deferred_until      timestamptz,
    lease_token         bigint,
    lease_taken_at      timestamptz,
    lease_expires_at    timestamptz,
    attempts            integer NOT NULL DEFAULT 0,
    automatic_attempts  integer NOT NULL DEFAULT 0,
    -- The number of attempts in a row whose lease expired.
    abandoned_count     integer NOT NULL DEFAULT 0,
    trigger             rdev_webhooks.attempt_trigger NOT NULL DEFAULT 'automatic',
    PRIMARY KEY (id)
) WITH (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 1, autovacuum_analyze_threshold = 100000
);
-- For discovery and claims.
CREATE INDEX delivery_queue_by_webhook_id_due_at ON rdev_webhooks.delivery_queue (webhook_id, due_at)
    WHERE wake_at IS NULL;
-- For waking.
CREATE INDEX delivery_queue_by_wake_at ON rdev_webhooks.delivery_queue (wake_at) WHERE wake_at < 'infinity';
-- For waking the deliveries of a webhook that is enabled again.
CREATE INDEX delivery_queue_by_webhook_id_due_at_held ON rdev_webhooks.delivery_queue (webhook_id, due_at)
    WHERE wake_at = 'infinity';
-- For listing one webhook's deliveries.
CREATE INDEX delivery_queue_by_webhook_id_id ON rdev_webhooks.delivery_queue (webhook_id, id);

-- Returns the status of an unfinished delivery, as Progress::state does.
CREATE FUNCTION rdev_webhooks.status(
    lease_expires_at timestamptz, attempts integer, trigger rdev_webhooks.attempt_trigger,
    deferred_until timestamptz
) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT CASE
        WHEN lease_expires_at > rdev_webhooks.now() THEN 'in_flight'
        WHEN attempts > 0 AND (trigger = 'automatic' OR deferred_until IS NOT NULL) THEN 'retrying'
        ELSE 'pending' END $$;

-- Unfinished deliveries as the API shows them. There is no such view of all deliveries: of a join with it the
-- planner makes a scan of both tables.
CREATE VIEW rdev_webhooks.queued_deliveries AS
    SELECT id, event_id, webhook_id, attempts,
        rdev_webhooks.status(lease_expires_at, attempts, trigger, deferred_until) AS status,
        CASE WHEN lease_expires_at > rdev_webhooks.now() THEN lease_expires_at ELSE due_at END AS at,
        NULL::text AS reason
    FROM rdev_webhooks.delivery_queue;

-- Finished deliveries: a row is added when a delivery ends, and removed only when it is redelivered.
--
-- The attempt by which a delivery succeeded is stored in the delivery's row, so that most deliveries leave
-- one row behind instead of two. Its number is the delivery's count of attempts. Where these columns are
-- NULL, the attempt is in `attempts`, as is every attempt that failed or was followed by others.
CREATE TABLE rdev_webhooks.deliveries (
    id                  uuid NOT NULL,
    event_id            uuid NOT NULL,
    webhook_id          uuid NOT NULL,
    finished_at         timestamptz NOT NULL,
    attempts            integer NOT NULL,
    automatic_attempts  integer NOT NULL,
    status              text NOT NULL, -- succeeded, failed, cancelled
    -- Why it failed or was cancelled.
    reason              text,
    success_trigger             rdev_webhooks.attempt_trigger,
    success_started_at          timestamptz,
    success_duration_ns         bigint,
    success_dns_ns              bigint,
    success_connect_ns          bigint,
    success_tls_ns              bigint,
    success_first_byte_ns       bigint,
    success_signature           text,
    success_response_status     integer,
    success_response_headers    text,
    success_response_body       bytea,
    success_response_truncated  boolean,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX deliveries_by_webhook_id_id ON rdev_webhooks.deliveries (webhook_id, id);
CREATE INDEX deliveries_not_succeeded_by_status_id ON rdev_webhooks.deliveries (status, id)
    WHERE status <> 'succeeded';
CREATE INDEX deliveries_not_succeeded_by_webhook_id_status_id ON rdev_webhooks.deliveries (webhook_id, status, id)
    WHERE status <> 'succeeded';
-- For the delivery feed: finished deliveries in the order of their recording. It grows at its end only.
CREATE INDEX deliveries_by_finished_at_id ON rdev_webhooks.deliveries (finished_at, id);

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
    -- The response, if there was one: then its status is set.
    response_status     integer,
    response_headers    text,
    response_body       bytea,
    response_truncated  boolean,
    -- Why the attempt did not succeed, if it did not.
    failure_class       text,
    failure_detail      text,
    -- When it was recorded, by the database's time; its start is by the worker's time.
    recorded_at         timestamptz NOT NULL DEFAULT rdev_webhooks.now(),
    PRIMARY KEY (delivery_id, number)
) PARTITION BY RANGE (delivery_id);
-- For the delivery feed: failed attempts in the order of their recording. It grows at its end only.
CREATE INDEX attempts_by_recorded_at_delivery_id ON rdev_webhooks.attempts (recorded_at, delivery_id)
    WHERE failure_class IS NOT NULL;

-- Finished deliveries that were put back into the queue, in the order of their recording, for the delivery
-- feed. A row is needed until its delivery has ended again.
CREATE TABLE rdev_webhooks.reopened_deliveries (
    reopened_at         timestamptz NOT NULL,
    delivery_id         uuid NOT NULL
);
CREATE INDEX reopened_deliveries_by_reopened_at_delivery_id
    ON rdev_webhooks.reopened_deliveries (reopened_at, delivery_id);

-- Partitions --------------------------------------------------------------------------------------

-- Rows with an id of a day without a partition. Usually empty; ensure_partitions moves rows out once their
-- day gets a partition.
CREATE TABLE rdev_webhooks.events_default PARTITION OF rdev_webhooks.events DEFAULT;
CREATE TABLE rdev_webhooks.deliveries_default PARTITION OF rdev_webhooks.deliveries DEFAULT;
CREATE TABLE rdev_webhooks.attempts_default PARTITION OF rdev_webhooks.attempts DEFAULT;

-- Partitions are created and dropped with the privileges of the schema's owner, so that serving programs need
-- only to read and write rows.

-- Creates the partitions of yesterday, today and the next days, by UTC, and returns how many it created. The
-- caller holds the advisory lock, so that no two calls run at once.
--
-- A partition is created separately and then attached, which unlike CREATE TABLE … PARTITION OF lets the
-- other partitions be read and written meanwhile.
CREATE FUNCTION rdev_webhooks.ensure_partitions(days_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
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

-- Returns how many rows a partition has: counted up to a limit, and the server's estimate beyond.
CREATE FUNCTION rdev_webhooks.partition_rows(parent text, suffix text, counted bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    partition text := rdev_webhooks.partition_name(parent, suffix);
    found bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM (SELECT FROM %s LIMIT $1) counted', partition) INTO found USING counted;
    IF found >= counted THEN
        found := greatest(found, (SELECT reltuples::int8 FROM pg_catalog.pg_class WHERE oid = to_regclass(partition)));
    END IF;
    RETURN found;
END $$;

CREATE FUNCTION rdev_webhooks.drop_partition(parent text, suffix text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    EXECUTE format('DROP TABLE %s', rdev_webhooks.partition_name(parent, suffix));
END $$;

-- Returns the partition of a day, and of nothing else: limits what the two functions above accept.
CREATE FUNCTION rdev_webhooks.partition_name(parent text, suffix text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF parent NOT IN ('events', 'deliveries', 'attempts') OR suffix !~ '^\d{8}$' THEN
        RAISE EXCEPTION 'not a partition of a day: % %', parent, suffix USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN format('rdev_webhooks.%I', parent || '_' || suffix);
END $$;

SELECT rdev_webhooks.ensure_partitions(3);

-- Replays -----------------------------------------------------------------------------------------

-- Replays: ranges of finished deliveries that are redelivered, a few at a time.
CREATE TABLE rdev_webhooks.replays (
    id                  uuid PRIMARY KEY,
    webhook_id          uuid NOT NULL,
    -- The selection: deliveries of events accepted in this range, with this status, of these projects (of
    -- all projects if NULL), that had ended when they were counted.
    since               timestamptz NOT NULL,
    until               timestamptz NOT NULL,
    status              text NOT NULL,
    projects            text[],
    matched             bigint NOT NULL,
    matched_exactly     boolean NOT NULL,
    matched_at          timestamptz NOT NULL,
    -- How far it has scanned, by delivery id; NULL once it has scanned everything.
    scan_cursor         uuid,
    queued              bigint NOT NULL,
    -- The number of rows in replay_deliveries.
    pending_count       integer NOT NULL,
    succeeded           bigint NOT NULL,
    failed              bigint NOT NULL,
    cancelled           bigint NOT NULL,
    state               text NOT NULL CHECK (state IN ('running', 'completed', 'cancelled')),
    -- Why it was cancelled.
    reason              text,
    ended_at            timestamptz,
    -- It is running, or a delivery that it queued has not ended. Columns that change at every step are in no
    -- index and in no index's condition.
    is_open             boolean NOT NULL,
    -- When it is next examined; NULL once it is no longer open. One that makes no progress is examined ever
    -- less often; a step that makes progress leaves it unchanged, so that it touches no index.
    next_step_at        timestamptz,
    progressed_at       timestamptz NOT NULL DEFAULT rdev_webhooks.now(),
    CHECK ((state = 'running') = (ended_at IS NULL)),
    CHECK ((state = 'cancelled') = (reason IS NOT NULL)),
    CHECK (is_open = (state = 'running' OR pending_count > 0))
) WITH (fillfactor = 50);
-- One replay of a webhook runs at a time.
CREATE UNIQUE INDEX replays_by_webhook_id ON rdev_webhooks.replays (webhook_id) WHERE state = 'running';
CREATE INDEX replays_by_next_step_at ON rdev_webhooks.replays (next_step_at) WHERE next_step_at IS NOT NULL;
CREATE INDEX replays_by_webhook_id_id ON rdev_webhooks.replays (webhook_id, id);

-- Deliveries that a replay has queued and not yet seen finished: never more than its window.
CREATE TABLE rdev_webhooks.replay_deliveries (
    replay_id           uuid NOT NULL,
    delivery_id         uuid NOT NULL,
    PRIMARY KEY (replay_id, delivery_id)
);

-- Statistics --------------------------------------------------------------------------------------

-- Delivery statistics as sums: a row for each webhook and bucket of time. Workers add to the current rows
-- every second or so; nothing else writes here.
CREATE TABLE rdev_webhooks.statistics (
    webhook_id          uuid NOT NULL,
    -- The length of the bucket, and its beginning.
    bucket_seconds      integer NOT NULL,
    bucket_at           timestamptz NOT NULL,
    succeeded           bigint NOT NULL,
    failed              bigint NOT NULL,
    cancelled           bigint NOT NULL,
    retries             bigint NOT NULL,
    -- Successes, then failures by class.
    attempts            bigint[] NOT NULL,
    -- The counts of histograms, up to the last that is not zero.
    latency             bigint[] NOT NULL,
    time_to_success     bigint[] NOT NULL,
    PRIMARY KEY (webhook_id, bucket_seconds, bucket_at)
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0
);
-- For removing old rows. Indexed columns never change, so adding rewrites no index entry.
CREATE INDEX statistics_by_bucket_seconds_bucket_at ON rdev_webhooks.statistics (bucket_seconds, bucket_at);

-- Adds counts element by element; missing elements of the shorter array are zero.
CREATE FUNCTION rdev_webhooks.add_counts(one bigint[], other bigint[]) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT coalesce(array_agg(coalesce(t.x, 0) + coalesce(t.y, 0) ORDER BY t.n), '{}')
        FROM unnest(one, other) WITH ORDINALITY AS t(x, y, n) $$;

-- Event types, API keys and idempotency keys ------------------------------------------------------

-- The registered event types, without the built-in ones.
CREATE TABLE rdev_webhooks.event_types (
    -- Ordered by bytes, as the domain orders names.
    name        text COLLATE "C" PRIMARY KEY,
    description text,
    -- The text of a JSON Schema, as registered.
    schema      text,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

-- The number of the last change, in one row, by which processes notice that their copy is out of date.
CREATE TABLE rdev_webhooks.event_types_version (
    version bigint NOT NULL,
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only)
);
INSERT INTO rdev_webhooks.event_types_version (version) VALUES (0);

-- API keys. Of a key's text only its hash and its first characters are stored.
CREATE TABLE rdev_webhooks.api_keys (
    id                  uuid PRIMARY KEY,
    -- SHA-256 of the key's text.
    hash                bytea NOT NULL UNIQUE,
    hint                text NOT NULL,
    name                text,
    scopes              text[] NOT NULL,
    -- NULL for no restriction; never empty.
    projects            text[],
    created_at          timestamptz NOT NULL,
    expires_at          timestamptz,
    last_used_at        timestamptz
);

-- Requests that were sent with an idempotency key, and their responses.
CREATE TABLE rdev_webhooks.idempotency_keys (
    -- The API key; the nil UUID for the administrator's.
    owner               uuid NOT NULL,
    -- The SHA-256 of the name.
    digest              bytea NOT NULL,
    -- Sealed.
    operation           bytea NOT NULL,
    -- Sealed; NULL while the request is in progress, or if it was abandoned.
    response            bytea,
    -- Whether the operation was done, where nothing else shows it: set with the operation, in one transaction.
    is_done             boolean NOT NULL DEFAULT false,
    lease_token         bigint NOT NULL,
    lease_expires_at    timestamptz NOT NULL,
    expires_at          timestamptz NOT NULL,
    PRIMARY KEY (owner, digest)
);

CREATE INDEX idempotency_keys_by_expires_at ON rdev_webhooks.idempotency_keys (expires_at);

-- Encryption keys and retention -------------------------------------------------------------------

-- The encryption keys under which values in this schema may be sealed. Each has sealed a known text, so that a
-- process that lacks one finds out before it serves. Other schemas of the database record theirs themselves.
CREATE TABLE rdev_webhooks.encryption_keys (
    key_id              bytea PRIMARY KEY,
    key_check           bytea NOT NULL
);

-- The state of the retention, in one row.
CREATE TABLE rdev_webhooks.retention (
    is_only             boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    -- Where the last pass over single events ended: the next pass continues there.
    scan_cursor         uuid NOT NULL,
    -- How far time is known to have passed: the retention is measured by it, so that a step of the database's
    -- clock removes nothing. It advances no faster than the processes that record it run.
    seen_at             timestamptz NOT NULL DEFAULT rdev_webhooks.now()
);
INSERT INTO rdev_webhooks.retention (scan_cursor) VALUES ('00000000-0000-0000-0000-000000000000');
