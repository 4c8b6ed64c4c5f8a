-- Credentials. Their values are encrypted, and each version has one.
CREATE TABLE runner_credentials (
    name         TEXT    NOT NULL PRIMARY KEY,
    projects     TEXT,             -- a list in JSON; without one, all may use it
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;

CREATE TABLE runner_credential_versions (
    name       TEXT    NOT NULL,
    number     INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    value      BLOB    NOT NULL,
    PRIMARY KEY (name, number)
) STRICT;

-- Which command got which version. A use outlives the credential.
CREATE TABLE runner_credential_uses (
    name       TEXT    NOT NULL,
    command_id BLOB    NOT NULL,
    project    TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,
    PRIMARY KEY (name, command_id)
) STRICT;

CREATE INDEX runner_credential_uses_by_used_at ON runner_credential_uses (used_at);
