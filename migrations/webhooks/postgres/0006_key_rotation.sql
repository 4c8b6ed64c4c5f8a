-- What receivers verify with, for ed25519; no secret, so that showing it opens none.
ALTER TABLE rdev_webhooks.webhooks ADD COLUMN public_key text, ADD COLUMN previous_public_key text;

-- The encryption keys that something here may be sealed with. Each has sealed a text that is known, so that
-- whoever lacks one of them finds out before it serves.
CREATE TABLE rdev_webhooks.encryption_keys (
    key_id              bytea PRIMARY KEY,
    key_check           bytea NOT NULL
);
