-- The feed of events: all events in one order, by numbers that they get as they are inserted. Numbers are never
-- used again, and the order of numbers is that of commits, since one transaction writes at a time. Events from
-- before are numbered in the order of their ids.
CREATE TABLE webhooks_numbered_events (
    position    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id          BLOB    NOT NULL UNIQUE,
    timestamp   INTEGER NOT NULL,
    event_type  TEXT    NOT NULL,
    project     TEXT,
    key         TEXT,
    traceparent TEXT,
    body        BLOB    NOT NULL
) STRICT;
INSERT INTO webhooks_numbered_events (id, timestamp, event_type, project, key, traceparent, body)
SELECT id, timestamp, event_type, project, key, traceparent, body FROM webhooks_events ORDER BY id;
DROP TABLE webhooks_events;
ALTER TABLE webhooks_numbered_events RENAME TO webhooks_events;
CREATE INDEX webhooks_events_by_event_type_id ON webhooks_events (event_type, id);
CREATE INDEX webhooks_events_by_project_id ON webhooks_events (project, id) WHERE project IS NOT NULL;

-- The last number of an event that was removed, in one row.
CREATE TABLE webhooks_event_feed (
    id              INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    pruned_position INTEGER NOT NULL
) STRICT;
INSERT INTO webhooks_event_feed (id, pruned_position) VALUES (1, 0);
