-- No statement reads it.
DROP INDEX webhooks_webhooks_by_disabled_at_id;
