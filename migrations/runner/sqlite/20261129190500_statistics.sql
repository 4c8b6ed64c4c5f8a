-- What the statistics of a project add up, outside of the JSON of the result.
ALTER TABLE runner_commands ADD COLUMN input_tokens       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runner_commands ADD COLUMN output_tokens      INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runner_commands ADD COLUMN cache_read_tokens  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runner_commands ADD COLUMN cache_write_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runner_commands ADD COLUMN cost_nanos         INTEGER NOT NULL DEFAULT 0;

UPDATE runner_commands
SET input_tokens = coalesce(json_extract(result, '$.usage.input_tokens'), 0),
    output_tokens = coalesce(json_extract(result, '$.usage.output_tokens'), 0),
    cache_read_tokens = coalesce(json_extract(result, '$.usage.cache_read_tokens'), 0),
    cache_write_tokens = coalesce(json_extract(result, '$.usage.cache_write_tokens'), 0),
    cost_nanos = coalesce(json_extract(result, '$.cost_nanos'), 0)
WHERE result IS NOT NULL;

-- The statistics read this index alone.
CREATE INDEX runner_commands_by_project_ended_at ON runner_commands (
    project, ended_at, status, started_at, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_nanos
) WHERE ended_at IS NOT NULL;
