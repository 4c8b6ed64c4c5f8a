-- Deliveries that had ended and were put back into the queue, in the order in which that was recorded: what those
-- who watch deliveries read. A row is needed until its delivery has ended again.
CREATE TABLE rdev_webhooks.reopened (
    at                  timestamptz NOT NULL,
    delivery_id         uuid NOT NULL
);
CREATE INDEX reopened_at ON rdev_webhooks.reopened (at, delivery_id);
