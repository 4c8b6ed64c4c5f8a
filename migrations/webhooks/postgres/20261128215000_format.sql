-- The format of the bodies that a webhook's endpoint receives.
ALTER TABLE rdev_webhooks.webhooks ADD COLUMN format text NOT NULL DEFAULT 'rdev';
