-- The schema of the command runner. All objects are in a schema of their own, beside that of the webhooks; every
-- statement names the schema, and no search_path matters. `_migrations` in the same schema records what was applied.

CREATE SCHEMA IF NOT EXISTS rdev_runner;

-- The only clock: the database's, so that no machine's own clock matters. It is inlined, so that it costs nothing;
-- and a test can replace it to let time pass.
CREATE FUNCTION rdev_runner.now() RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT pg_catalog.now() $$;

CREATE TABLE rdev_runner.projects (
    -- Names are ordered by their bytes.
    name        text COLLATE "C" NOT NULL PRIMARY KEY,
    version     bigint      NOT NULL,
    max_running integer     NOT NULL,
    settings    text        NOT NULL, -- JSON
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

CREATE TABLE rdev_runner.commands (
    id               uuid        NOT NULL PRIMARY KEY,
    project          text COLLATE "C" NOT NULL,
    provider         text        NOT NULL,
    status           text        NOT NULL,
    reason           text,                 -- of a failure or a timeout
    created_at       timestamptz NOT NULL,
    started_at       timestamptz,
    ended_at         timestamptz,
    resumes          text,                 -- the session that the request resumes
    session          text,                 -- the same, or the one that the agent has reported
    host             text,
    lease_token      bigint,
    lease_expires_at timestamptz,
    last_seq         bigint      NOT NULL DEFAULT 0,
    stored_bytes     bigint      NOT NULL DEFAULT 0,
    is_truncated     boolean     NOT NULL DEFAULT false,
    checkpoint       text,
    result           text,                 -- JSON
    request          text        NOT NULL  -- JSON
);

CREATE INDEX commands_queued ON rdev_runner.commands (id) WHERE status = 'queued';
CREATE INDEX commands_active ON rdev_runner.commands (project, provider)
    WHERE status IN ('starting', 'running', 'cancelling');
CREATE INDEX commands_by_project_id ON rdev_runner.commands (project, id);
CREATE INDEX commands_by_ended_at ON rdev_runner.commands (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE rdev_runner.events (
    command_id uuid        NOT NULL,
    seq        bigint      NOT NULL,
    at         timestamptz NOT NULL,
    data       text        NOT NULL, -- JSON
    PRIMARY KEY (command_id, seq)
);

-- Starts the oldest queued command that may run, and returns its id. Claims wait for each other, to the end of their
-- transactions, so that together they keep the limits; each statement of the function sees what the claims before it
-- have committed.
CREATE FUNCTION rdev_runner.claim(
    host text, lease_token bigint, lease_for interval, max_running integer, providers text[], max_of_providers integer[]
) RETURNS uuid
    LANGUAGE plpgsql VOLATILE
    AS $$
DECLARE
    claimed uuid;
BEGIN
    -- "rdev_run" in ASCII.
    PERFORM pg_catalog.pg_advisory_xact_lock(8242824777076733294);
    UPDATE rdev_runner.commands AS command
    SET status = 'starting', started_at = rdev_runner.now(), host = claim.host, lease_token = claim.lease_token,
        lease_expires_at = rdev_runner.now() + claim.lease_for
    WHERE command.id = (
        SELECT queued.id
        FROM rdev_runner.commands AS queued
        JOIN rdev_runner.projects AS project ON project.name = queued.project
        JOIN unnest(claim.providers, claim.max_of_providers) AS provider (name, most) ON provider.name = queued.provider
        WHERE queued.status = 'queued'
            AND claim.max_running > (SELECT count(*) FROM rdev_runner.commands AS active
                WHERE active.status IN ('starting', 'running', 'cancelling'))
            AND provider.most > (SELECT count(*) FROM rdev_runner.commands AS active
                WHERE active.status IN ('starting', 'running', 'cancelling') AND active.provider = queued.provider)
            AND project.max_running > (SELECT count(*) FROM rdev_runner.commands AS active
                WHERE active.status IN ('starting', 'running', 'cancelling') AND active.project = queued.project)
            AND NOT EXISTS (SELECT FROM rdev_runner.commands AS active
                WHERE active.status IN ('starting', 'running', 'cancelling')
                    AND active.project = queued.project AND active.provider = queued.provider
                    AND (active.resumes = queued.resumes OR active.session = queued.resumes))
        ORDER BY queued.id LIMIT 1
        -- One that is being cancelled is left to the next claim.
        FOR UPDATE OF queued SKIP LOCKED)
    RETURNING command.id INTO claimed;
    RETURN claimed;
END
$$;
