//! The use cases of the command runner: [`AgentRegistry`] holds the agents and checks requests, and
//! [`DemoAgent`] is an agent that needs no installation and no model.

mod demo;
mod registry;

pub use demo::DemoAgent;
pub use registry::{AgentRegistry, DuplicateAgent};
