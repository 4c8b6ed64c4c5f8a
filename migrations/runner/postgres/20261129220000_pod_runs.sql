-- The pods of runs, by which every runner finds them. A row is there before its run starts, and goes once the run is
-- removed from the pod.
CREATE TABLE rdev_runner.pod_runs (
    run        text COLLATE "C" NOT NULL PRIMARY KEY,
    -- The command whose run it is. Servers of agents have none.
    command_id uuid,
    namespace  text NOT NULL,
    pod        text NOT NULL,
    uid        text NOT NULL,
    container  text NOT NULL
);

CREATE INDEX pod_runs_by_command_id ON rdev_runner.pod_runs (command_id) WHERE command_id IS NOT NULL;
