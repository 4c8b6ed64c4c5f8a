-- Ids are UUIDv7 as 16 bytes, so that they sort by time. Timestamps are microseconds since 1970 (UTC),
-- durations nanoseconds. Names (statuses, reasons, triggers, classes) are those of the API.

-- Facts about the database itself.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- A deleted webhook stays, without its secrets, until the retention has passed.
CREATE TABLE webhooks (
    id              BLOB    NOT NULL PRIMARY KEY,
    url             TEXT    NOT NULL,
    description     TEXT,
    events          TEXT    NOT NULL, -- JSON array of patterns
    projects        TEXT    NOT NULL, -- JSON array of names; empty for every project
    headers         BLOB    NOT NULL, -- sealed
    retry           TEXT    NOT NULL,
    timeout_ns      INTEGER,
    rate_limit      REAL,
    max_in_flight   INTEGER,
    signing         TEXT    NOT NULL,
    secret          BLOB    NOT NULL, -- sealed
    previous_secret BLOB,             -- sealed
    previous_until  INTEGER,
    disabled_reason TEXT,
    disabled_since  INTEGER,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    deleted_at      INTEGER,
    CHECK ((previous_secret IS NULL) = (previous_until IS NULL)),
    CHECK ((disabled_reason IS NULL) = (disabled_since IS NULL))
) STRICT, WITHOUT ROWID;

-- The subscriptions of the webhooks that are not deleted, by the properties of an event.
CREATE TABLE subscriptions (
    pattern    TEXT NOT NULL,
    project    TEXT NOT NULL, -- empty for every project
    webhook_id BLOB NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    PRIMARY KEY (pattern, project, webhook_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX subscriptions_by_webhook ON subscriptions (webhook_id);

CREATE TABLE events (
    id          BLOB    NOT NULL PRIMARY KEY,
    key         TEXT,
    event_type  TEXT    NOT NULL,
    project     TEXT,
    timestamp   INTEGER NOT NULL,
    traceparent TEXT,
    body        BLOB    NOT NULL
) STRICT;

CREATE INDEX events_by_type ON events (event_type, id);
CREATE INDEX events_by_project ON events (project, id) WHERE project IS NOT NULL;

-- Event keys, each taken once in a project.
CREATE TABLE event_keys (
    project    TEXT    NOT NULL, -- empty for none
    key        TEXT    NOT NULL,
    event_id   BLOB    NOT NULL,
    deliveries INTEGER NOT NULL,
    PRIMARY KEY (project, key)
) STRICT, WITHOUT ROWID;

-- All deliveries, finished or not: those with a claimable_at form the queue. There are no foreign keys here,
-- because every write touches this table.
CREATE TABLE deliveries (
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
    takeovers          INTEGER NOT NULL,
    "trigger"          TEXT    NOT NULL,
    due_at             INTEGER NOT NULL,
    resume_at          INTEGER,
    lease_token        INTEGER,
    lease_taken_at     INTEGER,
    lease_expires_at   INTEGER,
    -- When it can next be claimed: when it is due, or when its lease ends.
    claimable_at       INTEGER,
    CHECK ((status = 'unfinished') = (claimable_at IS NOT NULL)),
    CHECK ((status = 'unfinished') = (finished_at IS NULL))
) STRICT, WITHOUT ROWID;

-- Finds the due deliveries of each webhook, the longest due first, however many are finished or far in the
-- future. A leased delivery is in the way by its due_at, but there are never more of these than are in
-- flight, and with claimable_at in the index they are skipped without reading the table.
CREATE INDEX deliveries_queue ON deliveries (webhook_id, due_at, id, claimable_at)
    WHERE claimable_at IS NOT NULL;

-- For lists, newest first.
CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id, status, id);
CREATE INDEX deliveries_by_status ON deliveries (status, id);
CREATE INDEX deliveries_by_event ON deliveries (event_id);

CREATE TABLE attempts (
    delivery_id      BLOB    NOT NULL,
    number           INTEGER NOT NULL,
    "trigger"        TEXT    NOT NULL,
    started_at       INTEGER NOT NULL,
    duration_ns      INTEGER NOT NULL,
    dns_ns           INTEGER,
    connect_ns       INTEGER,
    tls_ns           INTEGER,
    first_byte_ns    INTEGER,
    signature        TEXT    NOT NULL,
    response_status  INTEGER, -- none of the response's columns is set if there was none
    response_headers TEXT,    -- JSON array of [name, value]
    response_body    BLOB,
    truncated        INTEGER,
    failure_class    TEXT,
    failure_detail   TEXT,
    PRIMARY KEY (delivery_id, number)
) STRICT;
