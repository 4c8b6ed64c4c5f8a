-- Projects that take no commands: archived ones, and those that are gone once their commands have ended.
ALTER TABLE rdev_runner.projects
    ADD COLUMN is_archived boolean NOT NULL DEFAULT false,
    ADD COLUMN is_deleting boolean NOT NULL DEFAULT false;
