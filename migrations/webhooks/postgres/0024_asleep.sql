-- Discovery walks from webhook to webhook, so deliveries that cannot be claimed yet must not be in its way,
-- however many webhooks have some. A delivery whose retry is not due is asleep until then, and a delivery of
-- a disabled webhook until that is enabled again ('infinity'). When it wakes, the column is NULL again, as at
-- first.
ALTER TABLE rdev_webhooks.delivery_queue ADD COLUMN wake_at timestamptz;
-- Whether some of a webhook's deliveries are asleep until it is enabled.
ALTER TABLE rdev_webhooks.webhooks ADD COLUMN holds_deliveries boolean NOT NULL DEFAULT false;

DROP INDEX rdev_webhooks.delivery_queue_due;
CREATE INDEX delivery_queue_due ON rdev_webhooks.delivery_queue (webhook_id, due_at) WHERE wake_at IS NULL;
CREATE INDEX delivery_queue_asleep ON rdev_webhooks.delivery_queue (wake_at) WHERE wake_at < 'infinity';
CREATE INDEX delivery_queue_held ON rdev_webhooks.delivery_queue (webhook_id, due_at) WHERE wake_at = 'infinity';
CREATE INDEX webhooks_to_wake ON rdev_webhooks.webhooks (id)
    WHERE holds_deliveries AND disabled_reason IS NULL AND deleted_at IS NULL;
