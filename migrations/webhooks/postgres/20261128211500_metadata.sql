-- What the owner of a webhook keeps with it: an object of strings.
ALTER TABLE rdev_webhooks.webhooks ADD COLUMN metadata jsonb NOT NULL DEFAULT '{}';
