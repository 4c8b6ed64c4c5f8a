-- A row for each webhook that has had a rate limit or a cap of its own, which all workers keep together. A claim
-- locks the rows of its webhooks, and leaves out those that another one holds.
CREATE TABLE rdev_webhooks.shared_limits (
    webhook_id  uuid PRIMARY KEY REFERENCES rdev_webhooks.webhooks ON DELETE CASCADE,
    -- The moment up to which the rate is spent; see RateLimit.
    spent_until timestamptz
) WITH (fillfactor = 50);
INSERT INTO rdev_webhooks.shared_limits (webhook_id)
    SELECT id FROM rdev_webhooks.webhooks
    WHERE (rate_limit IS NOT NULL OR max_in_flight IS NOT NULL) AND deleted_at IS NULL;
