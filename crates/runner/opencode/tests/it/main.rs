//! OpenCode over real sockets: a stand-in for its server, and recordings of the real one.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod contract;
mod drops;
mod ends;
mod http;
mod recordings;
mod requests;
mod stand_in;

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{AgentResult, RequestDraft};
use rdev_runner_opencode::{OpenCodeAgent, Server};
use rdev_runner_testkit::{RecordingSink, draft, run as agent_run};

use crate::stand_in::StandIn;

fn agent(server: &StandIn) -> OpenCodeAgent {
    OpenCodeAgent::new(Server {
        address: server.address(),
        password: "pass-word".to_owned(),
        directory: "/home/agent/my project".to_owned(),
        secrets: vec!["sk-secret".to_owned()],
    })
}

async fn run(server: &StandIn, draft: RequestDraft) -> (AgentResult, RecordingSink) {
    let sink = RecordingSink::default();
    let result = agent(server).execute(&agent_run(draft), &sink).await;
    (result, sink)
}

async fn prompt(server: &StandIn, prompt: &str) -> (AgentResult, RecordingSink) {
    run(server, draft(1, prompt)).await
}
