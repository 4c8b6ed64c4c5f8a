-- The format of the bodies that a webhook's endpoint receives.
ALTER TABLE webhooks_webhooks ADD COLUMN format TEXT NOT NULL DEFAULT 'rdev';
