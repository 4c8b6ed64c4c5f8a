-- Pipelines of a CI server that were triggered for projects.
CREATE TABLE rdev_runner.pipelines (
    id            uuid        NOT NULL PRIMARY KEY,
    project       text COLLATE "C" NOT NULL,
    repository    text        NOT NULL,
    repository_id bigint      NOT NULL,
    forge_id      text        NOT NULL,
    number        bigint      NOT NULL,
    status        text        NOT NULL,
    branch        text        NOT NULL,
    commit_hash   text        NOT NULL,
    url           text        NOT NULL,
    created_at    timestamptz NOT NULL,
    checked_at    timestamptz NOT NULL,
    ended_at      timestamptz
);

CREATE INDEX pipelines_unended ON rdev_runner.pipelines (checked_at) WHERE ended_at IS NULL;
CREATE INDEX pipelines_by_project ON rdev_runner.pipelines (project, id);
CREATE INDEX pipelines_by_ended_at ON rdev_runner.pipelines (ended_at) WHERE ended_at IS NOT NULL;

-- The repository whose pipelines got the value. Such a use has no command: command_id is an id of its own.
ALTER TABLE rdev_runner.credential_uses ADD COLUMN repository text;
