-- When the last failed attempt at a webhook was recorded, and whether it took so long that it held its place in
-- a worker's pool. Nothing is known of the failures before.
ALTER TABLE rdev_webhooks.webhook_health
    ADD COLUMN last_failed_at timestamptz NOT NULL DEFAULT 'epoch',
    ADD COLUMN silent         boolean     NOT NULL DEFAULT false;
