-- The schema of the command runner. Tables and indexes have the prefix runner_, so that they can stand beside those
-- of the webhooks in one file. Times are microseconds since 1970. runner_migrations records what was applied.

CREATE TABLE runner_projects (
    name        TEXT    NOT NULL PRIMARY KEY,
    version     INTEGER NOT NULL,
    max_running INTEGER NOT NULL,
    settings    TEXT    NOT NULL, -- JSON
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE runner_commands (
    id               BLOB    NOT NULL PRIMARY KEY,
    project          TEXT    NOT NULL,
    provider         TEXT    NOT NULL,
    status           TEXT    NOT NULL,
    reason           TEXT,             -- of a failure or a timeout
    created_at       INTEGER NOT NULL,
    started_at       INTEGER,
    ended_at         INTEGER,
    resumes          TEXT,             -- the session that the request resumes
    session          TEXT,             -- the same, or the one that the agent has reported
    host             TEXT,
    lease_token      INTEGER,
    lease_expires_at INTEGER,
    last_seq         INTEGER NOT NULL DEFAULT 0,
    stored_bytes     INTEGER NOT NULL DEFAULT 0,
    is_truncated     INTEGER NOT NULL DEFAULT 0,
    checkpoint       TEXT,
    result           TEXT,             -- JSON
    request          TEXT    NOT NULL  -- JSON
) STRICT;

CREATE INDEX runner_commands_queued ON runner_commands (id) WHERE status = 'queued';
CREATE INDEX runner_commands_active ON runner_commands (project, provider)
    WHERE status IN ('starting', 'running', 'cancelling');
CREATE INDEX runner_commands_by_project_id ON runner_commands (project, id);
CREATE INDEX runner_commands_by_ended_at ON runner_commands (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE runner_events (
    command_id BLOB    NOT NULL,
    seq        INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    data       TEXT    NOT NULL, -- JSON
    PRIMARY KEY (command_id, seq)
) STRICT;
