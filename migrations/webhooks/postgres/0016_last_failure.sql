-- When the last failed attempt at a webhook was recorded, and whether it took so long that it occupied its
-- slot in a worker. Nothing is known of earlier failures.
ALTER TABLE rdev_webhooks.webhook_health
    ADD COLUMN last_failed_at timestamptz NOT NULL DEFAULT 'epoch',
    ADD COLUMN silent         boolean     NOT NULL DEFAULT false;
