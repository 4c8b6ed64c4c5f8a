-- What the delivery feed reads: finished deliveries and failed attempts, in the order of their recording.
-- Both indexes grow at their ends only.

-- When an attempt was recorded; attempts recorded before this column existed count as long ago.
ALTER TABLE attempts ADD COLUMN recorded_at INTEGER NOT NULL DEFAULT 0;

CREATE INDEX deliveries_by_end ON deliveries (finished_at, id) WHERE finished_at IS NOT NULL;
CREATE INDEX attempts_failed ON attempts (recorded_at, delivery_id) WHERE failure_class IS NOT NULL;
