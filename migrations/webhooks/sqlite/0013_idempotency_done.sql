-- Whether the operation under a key was done, where nothing else shows it: set with the operation, in one
-- transaction.
ALTER TABLE idempotency_keys ADD COLUMN done INTEGER NOT NULL DEFAULT 0;
