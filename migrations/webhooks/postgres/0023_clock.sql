-- How far time is known to have passed: the retention is measured by it, so that a step of the database's
-- clock removes nothing. It advances no faster than the processes that record it run.
ALTER TABLE rdev_webhooks.retention ADD COLUMN seen_at timestamptz NOT NULL DEFAULT rdev_webhooks.now();
