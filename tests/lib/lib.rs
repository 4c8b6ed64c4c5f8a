//! Support for the end-to-end tests: the built binaries as processes, and a client of their API.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod all_in_one;
mod client;
mod command_line;
mod deployment;
mod log;
mod node;
mod process;
mod python;
mod stream;
mod terminal;

pub use all_in_one::AllInOne;
pub use client::{Answer, Client};
pub use command_line::{CommandLine, Ended, normalized};
pub use deployment::Deployment;
pub use log::Log;
pub use node::{node, node_folder, node_program};
pub use process::{Process, binary};
pub use python::{python, verified_by_python};
pub use stream::{Event, EventStream};
pub use terminal::Terminal;
