-- Replays are examined when they are due. One that makes no progress is examined ever less often, and the
-- index holds no finished replay.
ALTER TABLE replays ADD COLUMN look_at INTEGER;
ALTER TABLE replays ADD COLUMN progressed_at INTEGER NOT NULL DEFAULT 0;
UPDATE replays SET look_at = 0 WHERE open;
DROP INDEX replays_open;
CREATE INDEX replays_due ON replays (look_at) WHERE look_at IS NOT NULL;

-- Recently disabled webhooks.
CREATE INDEX webhooks_disabled ON webhooks (disabled_since, id)
    WHERE disabled_since IS NOT NULL AND deleted_at IS NULL;
