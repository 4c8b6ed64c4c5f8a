-- Projects that take no commands: archived ones, and those that are gone once their commands have ended.
ALTER TABLE runner_projects ADD COLUMN is_archived INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runner_projects ADD COLUMN is_deleting INTEGER NOT NULL DEFAULT 0;
