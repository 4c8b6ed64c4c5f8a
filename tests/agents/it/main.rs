//! The real coding agents, whose model plays a script.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod claude_code;
mod claude_code_in_pods;
#[path = "../../../crates/runner/exec-kubernetes/tests/it/cluster.rs"]
mod cluster;
mod harness;
mod opencode;
