//! The use cases of the command runner: [`AgentRegistry`] holds the agents and checks requests, [`Redactor`]
//! removes secrets from what agents report, and [`DemoAgent`] is an agent that needs no installation and no
//! model.

mod demo;
mod redactor;
mod registry;

pub use demo::DemoAgent;
pub use redactor::{MIN_SECRET_CHARS, REDACTED, RedactedStream, Redactor};
pub use registry::{AgentRegistry, DuplicateAgent};
