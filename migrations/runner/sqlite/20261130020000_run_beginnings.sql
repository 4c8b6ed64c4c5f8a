-- Whether the agent of a command may have begun. If not, the command is returned to the queue when its runner dies.
ALTER TABLE runner_commands ADD COLUMN has_begun INTEGER NOT NULL DEFAULT 0;
-- The cluster in whose pod it has begun; null for the host of its runner.
ALTER TABLE runner_commands ADD COLUMN cluster TEXT;

-- Earlier versions did not record it.
UPDATE runner_commands SET has_begun = 1 WHERE status IN ('starting', 'running', 'cancelling');

DROP INDEX runner_pod_runs_by_command_id;
ALTER TABLE runner_pod_runs DROP COLUMN command_id;
