-- Finished deliveries that were put back into the queue, in the order of their recording, for the delivery
-- feed. A row is needed until its delivery has ended again.
CREATE TABLE rdev_webhooks.reopened (
    at                  timestamptz NOT NULL,
    delivery_id         uuid NOT NULL
);
CREATE INDEX reopened_at ON rdev_webhooks.reopened (at, delivery_id);
