-- Finished deliveries that were put back into the queue, in the order of their recording, for the delivery
-- feed. A row is needed until its delivery has ended again.
CREATE TABLE reopened (
    at          INTEGER NOT NULL,
    delivery_id BLOB    NOT NULL
) STRICT;

CREATE INDEX reopened_by_time ON reopened (at, delivery_id);
