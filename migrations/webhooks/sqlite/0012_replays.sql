-- Replays: ranges of finished deliveries that are redelivered, a few at a time.
CREATE TABLE replays (
    id              BLOB    NOT NULL PRIMARY KEY,
    webhook_id      BLOB    NOT NULL,
    -- The selection: deliveries of events accepted in this range, with this outcome, that had ended when they
    -- were counted.
    since           INTEGER NOT NULL,
    until           INTEGER NOT NULL,
    status          TEXT    NOT NULL,
    projects        TEXT,             -- JSON array of names; none for every project
    matched         INTEGER NOT NULL,
    matched_exactly INTEGER NOT NULL,
    matched_at      INTEGER NOT NULL,
    looked_to       BLOB,             -- how far it has looked, by the deliveries' ids; none once it is through
    queued          INTEGER NOT NULL,
    waiting         INTEGER NOT NULL, -- those that are in replay_deliveries
    succeeded       INTEGER NOT NULL,
    failed          INTEGER NOT NULL,
    cancelled       INTEGER NOT NULL,
    state           TEXT    NOT NULL, -- running, completed, cancelled
    reason          TEXT,             -- why it was cancelled
    ended_at        INTEGER,
    open            INTEGER NOT NULL, -- it is running, or something that it has queued has not ended
    CHECK ((state = 'running') = (ended_at IS NULL)),
    CHECK ((state = 'cancelled') = (reason IS NOT NULL)),
    CHECK (open = (state = 'running' OR waiting > 0))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX replays_running ON replays (webhook_id) WHERE state = 'running';
CREATE INDEX replays_open ON replays (id) WHERE open;
CREATE INDEX replays_by_webhook ON replays (webhook_id, id);

-- Deliveries that a replay has queued and not yet seen finished: never more than its window.
CREATE TABLE replay_deliveries (
    replay_id   BLOB NOT NULL,
    delivery_id BLOB NOT NULL,
    PRIMARY KEY (replay_id, delivery_id)
) STRICT, WITHOUT ROWID;
