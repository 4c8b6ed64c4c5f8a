-- API keys. Of a key's text only its hash and its first characters are stored.
CREATE TABLE rdev_webhooks.api_keys (
    id                  uuid PRIMARY KEY,
    -- SHA-256 of the key's text.
    hash                bytea NOT NULL UNIQUE,
    hint                text NOT NULL,
    name                text,
    scopes              text[] NOT NULL,
    -- NULL for no restriction; never empty.
    projects            text[],
    created_at          timestamptz NOT NULL,
    expires_at          timestamptz,
    last_used_at        timestamptz
);
