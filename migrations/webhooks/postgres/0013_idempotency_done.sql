-- Whether the operation under a key was done, where nothing else shows it: set with the operation, in one
-- transaction.
ALTER TABLE rdev_webhooks.idempotency_keys ADD COLUMN done boolean NOT NULL DEFAULT false;
