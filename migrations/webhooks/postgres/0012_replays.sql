-- Replays: ranges of finished deliveries that are redelivered, a few at a time.
CREATE TABLE rdev_webhooks.replays (
    id                  uuid PRIMARY KEY,
    webhook_id          uuid NOT NULL,
    -- The selection: deliveries of events accepted in this range, with this outcome, of these projects (of
    -- all projects if NULL), that had ended when they were counted.
    since               timestamptz NOT NULL,
    until               timestamptz NOT NULL,
    outcome             text NOT NULL,
    projects            text[],
    matched             bigint NOT NULL,
    matched_exactly     boolean NOT NULL,
    matched_at          timestamptz NOT NULL,
    -- How far it has scanned, by delivery id; NULL once it has scanned everything.
    looked_to           uuid,
    queued              bigint NOT NULL,
    -- The number of rows in replay_deliveries.
    waiting             integer NOT NULL,
    succeeded           bigint NOT NULL,
    failed              bigint NOT NULL,
    cancelled           bigint NOT NULL,
    state               text NOT NULL CHECK (state IN ('running', 'completed', 'cancelled')),
    -- Why it was cancelled.
    reason              text,
    ended_at            timestamptz,
    -- It is running, or a delivery that it queued has not ended. Columns that change at every step are in no
    -- index and in no index's condition.
    open                boolean NOT NULL,
    CHECK ((state = 'running') = (ended_at IS NULL)),
    CHECK ((state = 'cancelled') = (reason IS NOT NULL)),
    CHECK (open = (state = 'running' OR waiting > 0))
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX replays_running ON rdev_webhooks.replays (webhook_id) WHERE state = 'running';
CREATE INDEX replays_open ON rdev_webhooks.replays (id) WHERE open;
CREATE INDEX replays_webhook ON rdev_webhooks.replays (webhook_id, id);

-- Deliveries that a replay has queued and not yet seen finished: never more than its window.
CREATE TABLE rdev_webhooks.replay_deliveries (
    replay_id           uuid NOT NULL,
    delivery_id         uuid NOT NULL,
    PRIMARY KEY (replay_id, delivery_id)
);
