-- What the statistics of a project add up, outside of the JSON of the result.
ALTER TABLE rdev_runner.commands
    ADD COLUMN input_tokens       bigint NOT NULL DEFAULT 0,
    ADD COLUMN output_tokens      bigint NOT NULL DEFAULT 0,
    ADD COLUMN cache_read_tokens  bigint NOT NULL DEFAULT 0,
    ADD COLUMN cache_write_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN cost_nanos         bigint NOT NULL DEFAULT 0;

-- Texts within the JSON have no quotation marks that are not escaped, so that none of them looks like a member. It may
-- contain escaped NUL, which the functions for JSON refuse.
UPDATE rdev_runner.commands
SET input_tokens = coalesce(substring(result FROM '"input_tokens":(\d{1,18})')::bigint, 0),
    output_tokens = coalesce(substring(result FROM '"output_tokens":(\d{1,18})')::bigint, 0),
    cache_read_tokens = coalesce(substring(result FROM '"cache_read_tokens":(\d{1,18})')::bigint, 0),
    cache_write_tokens = coalesce(substring(result FROM '"cache_write_tokens":(\d{1,18})')::bigint, 0),
    cost_nanos = coalesce(substring(result FROM '"cost_nanos":(\d{1,18})')::bigint, 0)
WHERE result IS NOT NULL;

-- The statistics read this index alone.
CREATE INDEX commands_by_project_ended_at ON rdev_runner.commands (project, ended_at)
    INCLUDE (status, started_at, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_nanos)
    WHERE ended_at IS NOT NULL;
