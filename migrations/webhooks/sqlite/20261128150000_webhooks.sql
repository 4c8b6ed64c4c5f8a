-- Every table and index has the prefix webhooks_, so that the schema can stand beside an application's own
-- tables in one file.
--
-- Ids are UUIDv7 as 16 bytes, so that they sort by time. Timestamps are microseconds since 1970 (UTC),
-- durations nanoseconds. Names (statuses, reasons, triggers, classes) are those of the API.

-- The encryption keys that the webhooks' sealed values need. Each has sealed a known text, so that a keyring
-- that lacks one is detected before anything is served.
CREATE TABLE webhooks_encryption_keys (
    key_id    BLOB NOT NULL PRIMARY KEY,
    key_check BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The database's knowledge of the clock, in its only row.
CREATE TABLE webhooks_clock (
    id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    set_back_at INTEGER, -- when the clock was last found to have been set back, by the clock as it was then
    -- How far time is known to have passed: the retention is measured by it. It advances no faster than the
    -- process that uses the database runs.
    seen_at     INTEGER
) STRICT;
INSERT INTO webhooks_clock (id) VALUES (1);

-- What the readiness check writes after a failed write, in its only row.
CREATE TABLE webhooks_write_probe (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    value BLOB    NOT NULL
) STRICT;

-- API keys. Of a key's text only its hash and its first characters are stored.
CREATE TABLE webhooks_api_keys (
    id           BLOB    NOT NULL PRIMARY KEY,
    hash         BLOB    NOT NULL UNIQUE, -- SHA-256 of the key's text
    hint         TEXT    NOT NULL,
    name         TEXT,
    scopes       TEXT    NOT NULL, -- JSON array of names
    projects     TEXT,             -- JSON array of names, never empty; none for no limit
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;

-- Requests that were sent with an idempotency key, and their responses.
CREATE TABLE webhooks_idempotency_keys (
    owner            BLOB    NOT NULL, -- the API key; empty for the administrator's
    digest           BLOB    NOT NULL, -- the SHA-256 of the name
    operation        BLOB    NOT NULL, -- sealed
    response         BLOB,             -- sealed; none while the request is in progress, or if it was abandoned
    -- Whether the operation was done, where nothing else shows it: set with the operation, in one transaction.
    is_done          INTEGER NOT NULL DEFAULT 0,
    lease_token      INTEGER NOT NULL,
    lease_expires_at INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    PRIMARY KEY (owner, digest)
) STRICT;

CREATE INDEX webhooks_idempotency_keys_by_expires_at ON webhooks_idempotency_keys (expires_at);

-- The registered event types, without the built-in ones.
CREATE TABLE webhooks_event_types (
    name        TEXT    NOT NULL PRIMARY KEY,
    description TEXT,
    schema      TEXT, -- the text of a JSON Schema, as registered
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The number of the last change, in its only row.
CREATE TABLE webhooks_event_types_version (
    version INTEGER NOT NULL
) STRICT;
INSERT INTO webhooks_event_types_version (version) VALUES (0);

-- A deleted webhook stays, without its secrets, until the retention has passed.
CREATE TABLE webhooks_webhooks (
    id                    BLOB    NOT NULL PRIMARY KEY,
    version               INTEGER NOT NULL,
    url                   TEXT    NOT NULL,
    description           TEXT,
    events                TEXT    NOT NULL, -- JSON array of patterns
    projects              TEXT    NOT NULL, -- JSON array of names; empty for every project
    headers               BLOB    NOT NULL, -- sealed
    retry                 TEXT    NOT NULL,
    timeout_ns            INTEGER,
    rate_limit            REAL,
    max_in_flight         INTEGER,
    signing               TEXT    NOT NULL,
    secret                BLOB    NOT NULL, -- sealed
    previous_secret       BLOB,             -- sealed
    previous_secret_until INTEGER,
    -- The public keys of an ed25519 webhook, with which receivers verify. They are not secret.
    public_key            TEXT,
    previous_public_key   TEXT,
    disabled_reason       TEXT,
    disabled_at           INTEGER, -- none while it is enabled
    created_at            INTEGER NOT NULL,
    updated_at            INTEGER NOT NULL,
    deleted_at            INTEGER,
    CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL)),
    CHECK ((disabled_reason IS NULL) = (disabled_at IS NULL))
) STRICT, WITHOUT ROWID;

-- Recently disabled webhooks.
CREATE INDEX webhooks_webhooks_by_disabled_at_id ON webhooks_webhooks (disabled_at, id)
    WHERE disabled_at IS NOT NULL AND deleted_at IS NULL;

-- The projects of each webhook. A webhook that takes the events of all projects, or whose list cannot be read,
-- counts as one of an unknown project: a project-scoped caller sees the webhooks that are all of its projects.
CREATE VIEW webhooks_webhook_projects (webhook_id, project) AS
    SELECT w.id, p.value
    FROM webhooks_webhooks AS w, json_each(iif(json_valid(w.projects) AND w.projects <> '[]', w.projects, '[0]')) AS p;

-- The subscriptions of the webhooks that are not deleted, by the properties of an event.
CREATE TABLE webhooks_subscriptions (
    pattern    TEXT NOT NULL,
    project    TEXT NOT NULL, -- empty for every project
    webhook_id BLOB NOT NULL REFERENCES webhooks_webhooks (id) ON DELETE CASCADE,
    PRIMARY KEY (pattern, project, webhook_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX webhooks_subscriptions_by_webhook_id ON webhooks_subscriptions (webhook_id);

-- The health of endpoints: a row for each webhook whose last attempt failed, and for no other, so that the
-- many healthy ones cost nothing.
CREATE TABLE webhooks_endpoint_health (
    webhook_id           BLOB    NOT NULL PRIMARY KEY REFERENCES webhooks_webhooks (id) ON DELETE CASCADE,
    consecutive_failures INTEGER NOT NULL,
    failing_since        INTEGER NOT NULL,
    last_failed_at       INTEGER NOT NULL, -- when the last failed attempt was recorded
    -- Whether the last failed attempt took so long that it occupied its slot in a worker.
    last_failure_silent  INTEGER NOT NULL,
    open_count           INTEGER NOT NULL,
    open_until           INTEGER, -- set if, and only if, the circuit has opened
    is_probing           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Delivery statistics as sums: a row for each webhook and bucket of time. The worker adds to the current rows
-- every second or so; nothing else writes here.
CREATE TABLE webhooks_statistics (
    webhook_id      BLOB    NOT NULL,
    bucket_seconds  INTEGER NOT NULL, -- the bucket's length
    bucket_at       INTEGER NOT NULL, -- when it begins
    succeeded       INTEGER NOT NULL,
    failed          INTEGER NOT NULL,
    cancelled       INTEGER NOT NULL,
    retries         INTEGER NOT NULL,
    attempts        TEXT    NOT NULL, -- JSON array of counts: successes, then failures by class
    latency         TEXT    NOT NULL, -- JSON arrays of a histogram's counts
    time_to_success TEXT    NOT NULL,
    PRIMARY KEY (webhook_id, bucket_seconds, bucket_at)
) STRICT, WITHOUT ROWID;

-- For removing old rows.
CREATE INDEX webhooks_statistics_by_bucket_seconds_bucket_at ON webhooks_statistics (bucket_seconds, bucket_at);

CREATE TABLE webhooks_events (
    id          BLOB    NOT NULL PRIMARY KEY,
    timestamp   INTEGER NOT NULL,
    event_type  TEXT    NOT NULL,
    project     TEXT,
    key         TEXT,
    traceparent TEXT,
    body        BLOB    NOT NULL
) STRICT;

CREATE INDEX webhooks_events_by_event_type_id ON webhooks_events (event_type, id);
CREATE INDEX webhooks_events_by_project_id ON webhooks_events (project, id) WHERE project IS NOT NULL;

-- Event keys, each taken once in a project.
CREATE TABLE webhooks_event_keys (
    project    TEXT    NOT NULL, -- empty for none
    key        TEXT    NOT NULL,
    event_id   BLOB    NOT NULL,
    deliveries INTEGER NOT NULL,
    PRIMARY KEY (project, key)
) STRICT, WITHOUT ROWID;

-- All deliveries, finished or not: those with a claimable_at form the queue. There are no foreign keys here,
-- because every write touches this table.
CREATE TABLE webhooks_deliveries (
    id                 BLOB    NOT NULL PRIMARY KEY,
    event_id           BLOB    NOT NULL,
    webhook_id         BLOB    NOT NULL,
    event_type         TEXT    NOT NULL,
    project            TEXT,
    status             TEXT    NOT NULL, -- unfinished, succeeded, failed, cancelled
    reason             TEXT,             -- why it failed or was cancelled
    finished_at        INTEGER,
    attempts           INTEGER NOT NULL,
    automatic_attempts INTEGER NOT NULL,
    abandoned_count    INTEGER NOT NULL, -- attempts in a row whose lease expired
    "trigger"          TEXT    NOT NULL,
    due_at             INTEGER NOT NULL,
    deferred_until     INTEGER,          -- the automatic retry after a requested attempt
    lease_token        INTEGER,
    lease_taken_at     INTEGER,
    lease_expires_at   INTEGER,
    -- When it can next be claimed: when it is due, or when its lease ends.
    claimable_at       INTEGER,
    CHECK ((status = 'unfinished') = (claimable_at IS NOT NULL)),
    CHECK ((status = 'unfinished') = (finished_at IS NULL))
) STRICT, WITHOUT ROWID;

-- The queue. Finds the due deliveries of each webhook, the longest due first, however many are finished or far
-- in the future. A leased delivery is in the way by its due_at, but there are never more of these than are in
-- flight, and with claimable_at in the index they are skipped without reading the table.
CREATE INDEX webhooks_deliveries_by_webhook_id_due_at
    ON webhooks_deliveries (webhook_id, due_at, id, claimable_at) WHERE claimable_at IS NOT NULL;

-- For lists, newest first.
CREATE INDEX webhooks_deliveries_by_webhook_id_status_id ON webhooks_deliveries (webhook_id, status, id);
CREATE INDEX webhooks_deliveries_by_status_id ON webhooks_deliveries (status, id);
CREATE INDEX webhooks_deliveries_by_event_id ON webhooks_deliveries (event_id);

-- For the delivery feed: finished deliveries in the order of their recording. It grows at its end only.
CREATE INDEX webhooks_deliveries_by_finished_at_id ON webhooks_deliveries (finished_at, id)
    WHERE finished_at IS NOT NULL;

CREATE TABLE webhooks_attempts (
    delivery_id        BLOB    NOT NULL,
    number             INTEGER NOT NULL,
    "trigger"          TEXT    NOT NULL,
    started_at         INTEGER NOT NULL,
    recorded_at        INTEGER NOT NULL,
    duration_ns        INTEGER NOT NULL,
    dns_ns             INTEGER,
    connect_ns         INTEGER,
    tls_ns             INTEGER,
    first_byte_ns      INTEGER,
    signature          TEXT    NOT NULL,
    response_status    INTEGER, -- none of the response's columns is set if there was none
    response_headers   TEXT,    -- JSON array of [name, value]
    response_body      BLOB,
    response_truncated INTEGER,
    failure_class      TEXT,
    failure_detail     TEXT,
    PRIMARY KEY (delivery_id, number)
) STRICT;

-- For the delivery feed: failed attempts in the order of their recording. It grows at its end only.
CREATE INDEX webhooks_attempts_by_recorded_at_delivery_id ON webhooks_attempts (recorded_at, delivery_id)
    WHERE failure_class IS NOT NULL;

-- Finished deliveries that were put back into the queue, in the order of their recording, for the delivery
-- feed. A row is needed until its delivery has ended again.
CREATE TABLE webhooks_reopened_deliveries (
    reopened_at INTEGER NOT NULL,
    delivery_id BLOB    NOT NULL
) STRICT;

CREATE INDEX webhooks_reopened_deliveries_by_reopened_at_delivery_id
    ON webhooks_reopened_deliveries (reopened_at, delivery_id);

-- Replays: ranges of finished deliveries that are redelivered, a few at a time.
CREATE TABLE webhooks_replays (
    id              BLOB    NOT NULL PRIMARY KEY,
    webhook_id      BLOB    NOT NULL,
    -- The selection: deliveries of events accepted in this range, with this status, that had ended when they
    -- were counted.
    since           INTEGER NOT NULL,
    until           INTEGER NOT NULL,
    status          TEXT    NOT NULL,
    projects        TEXT,             -- JSON array of names; none for every project
    matched         INTEGER NOT NULL,
    matched_exactly INTEGER NOT NULL,
    matched_at      INTEGER NOT NULL,
    scan_cursor     BLOB,             -- how far it has scanned, by delivery id; none once it has scanned everything
    queued          INTEGER NOT NULL,
    pending_count   INTEGER NOT NULL, -- the number of rows in webhooks_replay_deliveries
    succeeded       INTEGER NOT NULL,
    failed          INTEGER NOT NULL,
    cancelled       INTEGER NOT NULL,
    state           TEXT    NOT NULL, -- running, completed, cancelled
    reason          TEXT,             -- why it was cancelled
    ended_at        INTEGER,
    is_open         INTEGER NOT NULL, -- it is running, or a delivery that it queued has not ended
    -- When it is next examined; none once it is no longer open. One that makes no progress is examined ever
    -- less often.
    next_step_at    INTEGER,
    progressed_at   INTEGER NOT NULL,
    CHECK ((state = 'running') = (ended_at IS NULL)),
    CHECK ((state = 'cancelled') = (reason IS NOT NULL)),
    CHECK (is_open = (state = 'running' OR pending_count > 0))
) STRICT, WITHOUT ROWID;

-- One replay of a webhook runs at a time.
CREATE UNIQUE INDEX webhooks_replays_by_webhook_id ON webhooks_replays (webhook_id) WHERE state = 'running';
CREATE INDEX webhooks_replays_by_next_step_at ON webhooks_replays (next_step_at) WHERE next_step_at IS NOT NULL;
CREATE INDEX webhooks_replays_by_webhook_id_id ON webhooks_replays (webhook_id, id);

-- Deliveries that a replay has queued and not yet seen finished: never more than its window.
CREATE TABLE webhooks_replay_deliveries (
    replay_id   BLOB NOT NULL,
    delivery_id BLOB NOT NULL,
    PRIMARY KEY (replay_id, delivery_id)
) STRICT, WITHOUT ROWID;
