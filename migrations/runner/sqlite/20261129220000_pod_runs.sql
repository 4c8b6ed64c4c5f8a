-- The pods of runs, by which every runner finds them. A row is there before its run starts, and goes once the run is
-- removed from the pod.
CREATE TABLE runner_pod_runs (
    run        TEXT NOT NULL PRIMARY KEY,
    -- The command whose run it is. Servers of agents have none.
    command_id BLOB,
    namespace  TEXT NOT NULL,
    pod        TEXT NOT NULL,
    uid        TEXT NOT NULL,
    container  TEXT NOT NULL
) STRICT;

CREATE INDEX runner_pod_runs_by_command_id ON runner_pod_runs (command_id) WHERE command_id IS NOT NULL;
