-- The registered event types, without the built-in ones.
CREATE TABLE rdev_webhooks.event_types (
    -- Ordered by bytes, as the domain orders names.
    name        text COLLATE "C" PRIMARY KEY,
    description text,
    -- The text of a JSON Schema, as registered.
    schema      text,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

-- The number of the last change, in one row, by which processes notice that their copy is out of date.
CREATE TABLE rdev_webhooks.event_types_version (
    version bigint NOT NULL,
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only)
);
INSERT INTO rdev_webhooks.event_types_version (version) VALUES (0);
