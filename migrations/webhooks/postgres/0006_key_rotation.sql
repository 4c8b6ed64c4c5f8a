-- The public keys of ed25519 webhooks, with which receivers verify. They are not secret.
ALTER TABLE rdev_webhooks.webhooks ADD COLUMN public_key text, ADD COLUMN previous_public_key text;

-- The encryption keys under which values in this database may be sealed. Each has sealed a known text, so
-- that a process that lacks one finds out before it serves.
CREATE TABLE rdev_webhooks.encryption_keys (
    key_id              bytea PRIMARY KEY,
    key_check           bytea NOT NULL
);
