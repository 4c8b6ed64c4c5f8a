-- The feed of events: all events in one order, by numbers that they get as they are inserted.

CREATE SEQUENCE rdev_webhooks.event_positions AS bigint;

-- Events from before are numbered 0 and come first, in the order of their ids.
ALTER TABLE rdev_webhooks.events ADD COLUMN position bigint NOT NULL DEFAULT 0;
-- A transaction has its id before its events have their numbers: `event_feed_marks` rely on it.
ALTER TABLE rdev_webhooks.events ALTER COLUMN position SET DEFAULT
    CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('rdev_webhooks.event_positions') END;
CREATE INDEX events_by_position_id ON rdev_webhooks.events (position, id);

-- Up to which number the feed is complete: once every transaction before `xid` has ended, no event with this
-- number or a lower one can appear any more. The readers of the feed write and delete the rows.
CREATE TABLE rdev_webhooks.event_feed_marks (
    xid                 xid8 NOT NULL,
    position            bigint NOT NULL,
    marked_at           timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The last event in the order of the feed that was removed.
ALTER TABLE rdev_webhooks.retention
    ADD COLUMN pruned_position bigint NOT NULL DEFAULT 0,
    ADD COLUMN pruned_event uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';

-- Drops a day's partition, and records the last of its events in the order of the feed.
CREATE OR REPLACE FUNCTION rdev_webhooks.drop_partition(parent text, suffix text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    partition text := rdev_webhooks.partition_name(parent, suffix);
BEGIN
    IF parent = 'events' THEN
        EXECUTE format(
            'UPDATE rdev_webhooks.retention SET pruned_position = l.position, pruned_event = l.id
             FROM (SELECT position, id FROM %s ORDER BY position DESC, id DESC LIMIT 1) l
             WHERE (pruned_position, pruned_event) < (l.position, l.id)', partition);
    END IF;
    EXECUTE format('DROP TABLE %s', partition);
END $$;
