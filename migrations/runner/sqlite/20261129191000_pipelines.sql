-- Pipelines of a CI server that were triggered for projects.
CREATE TABLE runner_pipelines (
    id            BLOB    NOT NULL PRIMARY KEY,
    project       TEXT    NOT NULL,
    repository    TEXT    NOT NULL,
    repository_id INTEGER NOT NULL,
    forge_id      TEXT    NOT NULL,
    number        INTEGER NOT NULL,
    status        TEXT    NOT NULL,
    branch        TEXT    NOT NULL,
    commit_hash   TEXT    NOT NULL,
    url           TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    checked_at    INTEGER NOT NULL,
    ended_at      INTEGER
) STRICT;

CREATE INDEX runner_pipelines_unended ON runner_pipelines (checked_at) WHERE ended_at IS NULL;
CREATE INDEX runner_pipelines_by_project ON runner_pipelines (project, id);
CREATE INDEX runner_pipelines_by_ended_at ON runner_pipelines (ended_at) WHERE ended_at IS NOT NULL;

-- The repository whose pipelines got the value. Such a use has no command: command_id is an id of its own.
ALTER TABLE runner_credential_uses ADD COLUMN repository TEXT;
