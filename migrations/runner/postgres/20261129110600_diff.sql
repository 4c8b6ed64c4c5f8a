-- The diff of a result, by itself, so that lists need not read it.
ALTER TABLE rdev_runner.commands ADD COLUMN diff text; -- JSON
