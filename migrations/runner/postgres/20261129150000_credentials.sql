-- Credentials. Their values are encrypted, and each version has one.
CREATE TABLE rdev_runner.credentials (
    -- Names are ordered by their bytes.
    name         text COLLATE "C" NOT NULL PRIMARY KEY,
    projects     text[],               -- without them, all may use it
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    last_used_at timestamptz
);

CREATE TABLE rdev_runner.credential_versions (
    name       text COLLATE "C" NOT NULL,
    number     bigint      NOT NULL,
    kind       text        NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    value      bytea       NOT NULL,
    PRIMARY KEY (name, number)
);

-- Which command got which version. A use outlives the credential.
CREATE TABLE rdev_runner.credential_uses (
    name       text COLLATE "C" NOT NULL,
    command_id uuid        NOT NULL,
    project    text COLLATE "C" NOT NULL,
    version    bigint      NOT NULL,
    used_at    timestamptz NOT NULL,
    PRIMARY KEY (name, command_id)
);

CREATE INDEX credential_uses_by_used_at ON rdev_runner.credential_uses (used_at);
