//! The ports: the interfaces through which the use cases reach everything outside, by role.

mod code_agent;

pub use code_agent::{AgentVersion, CodeAgent, EventSink, Unavailable};
