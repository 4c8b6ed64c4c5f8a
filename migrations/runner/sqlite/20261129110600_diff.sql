-- The diff of a result, by itself, so that lists need not read it.
ALTER TABLE runner_commands ADD COLUMN diff TEXT; -- JSON
