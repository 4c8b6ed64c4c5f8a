-- Pipelines that are being triggered. A process that dies meanwhile leaves a row, by whose id the pipeline is found.
CREATE TABLE rdev_runner.pipeline_triggers (
    id            uuid        NOT NULL PRIMARY KEY,
    project       text COLLATE "C" NOT NULL,
    repository    text        NOT NULL,
    repository_id bigint      NOT NULL,
    forge_id      text        NOT NULL,
    created_at    timestamptz NOT NULL,
    stored_at     timestamptz NOT NULL
);
