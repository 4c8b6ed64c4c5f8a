-- The event types that were registered beside the built-in ones.
CREATE TABLE rdev_webhooks.event_types (
    -- Ordered byte by byte, as the domain orders names.
    name        text COLLATE "C" PRIMARY KEY,
    description text,
    -- The text of a JSON Schema, as it was given.
    schema      text,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

-- The number of the last change: one row, by which processes see that what they know is out of date.
CREATE TABLE rdev_webhooks.event_types_version (
    version bigint NOT NULL,
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only)
);
INSERT INTO rdev_webhooks.event_types_version (version) VALUES (0);
