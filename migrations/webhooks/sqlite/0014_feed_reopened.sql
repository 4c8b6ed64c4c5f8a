-- Deliveries that had ended and were put back into the queue, in the order in which that was recorded: what those
-- who watch deliveries read. A row is needed until its delivery has ended again.
CREATE TABLE reopened (
    at          INTEGER NOT NULL,
    delivery_id BLOB    NOT NULL
) STRICT;

CREATE INDEX reopened_by_time ON reopened (at, delivery_id);
