-- When a webhook is disabled, if it is enabled then.
ALTER TABLE rdev_webhooks.webhooks ADD COLUMN expires_at timestamptz;
-- Enabled webhooks by their end.
CREATE INDEX webhooks_by_expires_at_id ON rdev_webhooks.webhooks (expires_at, id)
    WHERE expires_at IS NOT NULL AND disabled_at IS NULL AND deleted_at IS NULL;
