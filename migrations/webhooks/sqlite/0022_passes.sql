-- Replays are looked at when they are due. One that gets nowhere is looked at ever more seldom, and the index holds
-- nothing that has ended.
ALTER TABLE replays ADD COLUMN look_at INTEGER;
ALTER TABLE replays ADD COLUMN progressed_at INTEGER NOT NULL DEFAULT 0;
UPDATE replays SET look_at = 0 WHERE open;
DROP INDEX replays_open;
CREATE INDEX replays_due ON replays (look_at) WHERE look_at IS NOT NULL;

-- Webhooks that were disabled lately.
CREATE INDEX webhooks_disabled ON webhooks (disabled_since, id)
    WHERE disabled_since IS NOT NULL AND deleted_at IS NULL;
