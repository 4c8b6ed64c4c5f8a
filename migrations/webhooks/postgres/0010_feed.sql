-- What those who watch deliveries read: what ended, and which attempts failed, in the order in which it was
-- recorded. Both indexes grow at their ends alone.

-- When an attempt was recorded, by the database's time; the time that the attempt began is the worker's.
ALTER TABLE rdev_webhooks.attempts ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT rdev_webhooks.now();

CREATE INDEX deliveries_finished ON rdev_webhooks.deliveries (finished_at, id);
CREATE INDEX attempts_failed ON rdev_webhooks.attempts (recorded_at, delivery_id)
    WHERE failure_class IS NOT NULL;
