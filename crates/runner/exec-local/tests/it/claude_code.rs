//! Claude Code over the local backend. A script stands in for its program.

mod attaching;
mod executions;
mod loads;
mod refusals;
mod stand_in;
mod stops;

/// The port's contract.
mod contract {
    use rdev_runner_testkit::contract::Prompts;

    use crate::Scene;

    rdev_runner_testkit::agent_contract_tests!((flavor = "multi_thread", worker_threads = 2), {
        let scene = Scene::new();
        (scene.agent(), Prompts { echo: str::to_owned, endless: "endless" }, scene)
    });
}
