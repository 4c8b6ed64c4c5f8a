-- Whether what was asked for under a key was done, where nothing else tells: set with it, in one transaction.
ALTER TABLE rdev_webhooks.idempotency_keys ADD COLUMN done boolean NOT NULL DEFAULT false;
