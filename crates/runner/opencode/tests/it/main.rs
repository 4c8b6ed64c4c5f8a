//! OpenCode over real sockets: a stand-in for its server, and recordings of the real one.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod attaching;
mod backend;
mod contract;
mod drops;
mod ends;
mod http;
mod limits;
mod places;
mod recordings;
mod requests;
mod servers;
mod stand_in;

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rdev_runner_domain::ports::{CodeAgent, ExecBackend};
use rdev_runner_domain::{AgentResult, RequestDraft, Workspace};
use rdev_runner_opencode::{DEFAULT_KEEP_IDLE, OpenCodeAgent, OpenCodeSettings};
use rdev_runner_testkit::{ManualClock, RecordingSink, draft, run as agent_run};

use crate::backend::CountingEntropy;
use crate::stand_in::StandIn;

fn agent(server: &StandIn) -> OpenCodeAgent {
    agent_that_keeps(server, DEFAULT_KEEP_IDLE)
}

fn agent_that_keeps(server: &StandIn, keep_idle: Duration) -> OpenCodeAgent {
    agent_on(server.backend(), server.folder(), server.clock(), keep_idle)
}

fn agent_on(
    backend: Arc<dyn ExecBackend>,
    state: &Path,
    clock: Arc<ManualClock>,
    keep_idle: Duration,
) -> OpenCodeAgent {
    static ENTROPY: LazyLock<Arc<CountingEntropy>> = LazyLock::new(Arc::default);
    let settings = OpenCodeSettings { program: "opencode".to_owned(), state: state.to_owned(), keep_idle };
    OpenCodeAgent::new(backend, settings, clock, ENTROPY.clone())
}

async fn run(server: &StandIn, draft: RequestDraft) -> (AgentResult, RecordingSink) {
    let sink = RecordingSink::default();
    let mut run = agent_run(draft);
    run.workspace = Workspace::Local { path: "/home/agent/my project".parse().unwrap() };
    run.secrets.add_variable("API_KEY".parse().unwrap(), "sk-secret".into());
    let result = agent(server).execute(&run, &sink).await;
    (result, sink)
}

async fn prompt(server: &StandIn, prompt: &str) -> (AgentResult, RecordingSink) {
    run(server, draft(1, prompt)).await
}
