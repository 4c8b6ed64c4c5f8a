-- The status by which lists find deliveries. That of an unfinished delivery depends on the time only while it has a
-- lease: it is `leased` until the lease is removed, also if it has expired.
DROP INDEX webhooks_deliveries_by_status_id;
DROP INDEX webhooks_deliveries_by_webhook_id_status_id;
ALTER TABLE webhooks_deliveries ADD COLUMN listed_status TEXT GENERATED ALWAYS AS (
    CASE WHEN status <> 'unfinished' THEN status
        WHEN lease_expires_at IS NOT NULL THEN 'leased'
        WHEN attempts > 0 AND ("trigger" = 'automatic' OR deferred_until IS NOT NULL) THEN 'retrying'
        ELSE 'pending' END) VIRTUAL;
CREATE INDEX webhooks_deliveries_by_listed_status_id ON webhooks_deliveries (listed_status, id);
CREATE INDEX webhooks_deliveries_by_webhook_id_listed_status_id
    ON webhooks_deliveries (webhook_id, listed_status, id);
