-- When a webhook is disabled, if it is enabled then.
ALTER TABLE webhooks_webhooks ADD COLUMN expires_at INTEGER;
-- Enabled webhooks by their end.
CREATE INDEX webhooks_webhooks_by_expires_at_id ON webhooks_webhooks (expires_at, id)
    WHERE expires_at IS NOT NULL AND disabled_at IS NULL AND deleted_at IS NULL;
