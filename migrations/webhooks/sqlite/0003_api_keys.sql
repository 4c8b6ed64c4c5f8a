-- API keys. Of a key's text only its hash and its first characters are stored.
CREATE TABLE api_keys (
    id           BLOB    NOT NULL PRIMARY KEY,
    hash         BLOB    NOT NULL UNIQUE, -- SHA-256 of the key's text
    hint         TEXT    NOT NULL,
    name         TEXT,
    scopes       TEXT    NOT NULL, -- JSON array of names
    projects     TEXT,             -- JSON array of names, never empty; none for no limit
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
