-- Whether the agent of a command may have begun. If not, the command is returned to the queue when its runner dies.
ALTER TABLE rdev_runner.commands ADD COLUMN has_begun boolean NOT NULL DEFAULT false;
-- The cluster in whose pod it has begun; null for the host of its runner.
ALTER TABLE rdev_runner.commands ADD COLUMN cluster text;

-- Earlier versions did not record it.
UPDATE rdev_runner.commands SET has_begun = true WHERE status IN ('starting', 'running', 'cancelling');

DROP INDEX rdev_runner.pod_runs_by_command_id;
ALTER TABLE rdev_runner.pod_runs DROP COLUMN command_id;
