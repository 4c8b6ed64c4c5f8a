-- Pipelines that are being triggered. A process that dies meanwhile leaves a row, by whose id the pipeline is found.
CREATE TABLE runner_pipeline_triggers (
    id            BLOB    NOT NULL PRIMARY KEY,
    project       TEXT    NOT NULL,
    repository    TEXT    NOT NULL,
    repository_id INTEGER NOT NULL,
    forge_id      TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    stored_at     INTEGER NOT NULL
) STRICT;
