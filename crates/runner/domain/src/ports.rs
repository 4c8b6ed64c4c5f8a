//! The ports: the interfaces through which the use cases reach everything outside, by role.
//!
//! The requirements of a method are numbered, and each names the test of the contract suite
//! (`rdev_runner_testkit::contract` for agents, `rdev_runner_testkit::exec` for backends,
//! `rdev_runner_testkit::stores` for stores) that everything behind the port passes. A method of a store is one atomic step; no transaction crosses a port. Stores keep their own
//! time, so leases are passed as durations.

mod ci_server;
mod code_agent;
mod command_queue;
mod command_repository;
mod command_signals;
mod credential_repository;
mod exec_backend;
mod pipeline_repository;
mod pod_repository;
mod project_repository;
mod secret_source;
mod templates;
mod version_control;

pub use ci_server::{CiError, CiServer};
pub use code_agent::{AgentVersion, CodeAgent, EventSink, Unavailable};
pub use command_queue::CommandQueue;
pub use command_repository::{Cancellation, CommandRefusal, CommandRepository, Deletion};
pub use command_signals::{CommandSignals, Signal, SignalStream};
pub use credential_repository::{CredentialGrant, CredentialPut, CredentialRepository};
pub use exec_backend::{ExecBackend, ExecError, MAX_OUTPUT_READ, ServerConnection};
pub use pipeline_repository::PipelineRepository;
pub use pod_repository::PodRepository;
pub use project_repository::{ProjectChange, ProjectRepository};
pub use rdev_core::{Clock, Entropy, StoreError};
pub use secret_source::{SecretError, SecretRequest, SecretSource};
pub use templates::{TemplateCatalogue, WorkspaceFiles};
pub use version_control::{VersionControl, VersionControlError};
