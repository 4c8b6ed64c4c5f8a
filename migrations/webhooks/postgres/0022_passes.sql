-- Replays are examined when they are due. One that makes no progress is examined ever less often, and the
-- index holds no finished replay. A step that makes progress leaves `look_at` unchanged, so that it touches
-- no index.
ALTER TABLE rdev_webhooks.replays
    ADD COLUMN look_at timestamptz,
    ADD COLUMN progressed_at timestamptz NOT NULL DEFAULT rdev_webhooks.now();
UPDATE rdev_webhooks.replays SET look_at = rdev_webhooks.now() WHERE open;
DROP INDEX rdev_webhooks.replays_open;
CREATE INDEX replays_due ON rdev_webhooks.replays (look_at) WHERE look_at IS NOT NULL;

-- Where the last pass of the retention over single events ended: the next pass continues there.
CREATE TABLE rdev_webhooks.retention (
    is_only             boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    looked_to           uuid NOT NULL
);
INSERT INTO rdev_webhooks.retention (looked_to) VALUES ('00000000-0000-0000-0000-000000000000');

-- Recently disabled webhooks.
CREATE INDEX webhooks_disabled ON rdev_webhooks.webhooks (disabled_since, id)
    WHERE disabled_since IS NOT NULL AND deleted_at IS NULL;
