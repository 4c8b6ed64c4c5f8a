//! The real coding agents, whose model plays a script.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]
#![allow(clippy::duplicate_mod, reason = "the same tests over another backend")]

mod claude_code;
mod claude_code_in_pods;
mod harness;
mod opencode;
mod opencode_in_pods;
mod place;
mod tutorial;
