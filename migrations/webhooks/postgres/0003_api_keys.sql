-- Who may use the API. Of a key's text nothing is kept but its hash and its first characters.
CREATE TABLE rdev_webhooks.api_keys (
    id                  uuid PRIMARY KEY,
    -- SHA-256 of the key's text.
    hash                bytea NOT NULL UNIQUE,
    hint                text NOT NULL,
    name                text,
    scopes              text[] NOT NULL,
    -- None for no limit; never empty.
    projects            text[],
    created_at          timestamptz NOT NULL,
    expires_at          timestamptz,
    last_used_at        timestamptz
);
