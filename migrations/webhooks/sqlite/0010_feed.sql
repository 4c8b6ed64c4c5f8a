-- What those who watch deliveries read: what ended, and which attempts failed, in the order in which it was
-- recorded. Both indexes grow at their ends alone.

-- When an attempt was recorded; what was recorded before there was this column counts as long ago.
ALTER TABLE attempts ADD COLUMN recorded_at INTEGER NOT NULL DEFAULT 0;

CREATE INDEX deliveries_by_end ON deliveries (finished_at, id) WHERE finished_at IS NOT NULL;
CREATE INDEX attempts_failed ON attempts (recorded_at, delivery_id) WHERE failure_class IS NOT NULL;
