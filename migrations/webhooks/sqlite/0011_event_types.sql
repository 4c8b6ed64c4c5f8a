-- The registered event types, without the built-in ones.
CREATE TABLE event_types (
    name        TEXT    NOT NULL PRIMARY KEY,
    description TEXT,
    schema      TEXT, -- the text of a JSON Schema, as it was given
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The number of the last change, in its only row.
CREATE TABLE event_types_version (
    version INTEGER NOT NULL
) STRICT;
INSERT INTO event_types_version (version) VALUES (0);
