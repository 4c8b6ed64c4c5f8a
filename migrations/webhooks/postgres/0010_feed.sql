-- What the delivery feed reads: finished deliveries and failed attempts, in the order of their recording.
-- Both indexes grow at their ends only.

-- When an attempt was recorded, by the database's time; the start of the attempt is by the worker's time.
ALTER TABLE rdev_webhooks.attempts ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT rdev_webhooks.now();

CREATE INDEX deliveries_finished ON rdev_webhooks.deliveries (finished_at, id);
CREATE INDEX attempts_failed ON rdev_webhooks.attempts (recorded_at, delivery_id)
    WHERE failure_class IS NOT NULL;
