-- Whether what was asked for under a key was done, where nothing else tells: set with it, in one transaction.
ALTER TABLE idempotency_keys ADD COLUMN done INTEGER NOT NULL DEFAULT 0;
