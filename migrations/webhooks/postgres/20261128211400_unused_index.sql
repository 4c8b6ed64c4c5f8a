-- No statement reads it.
DROP INDEX rdev_webhooks.webhooks_by_disabled_at_id;
