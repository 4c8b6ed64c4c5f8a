//! The use cases of the command runner.
//!
//! - [`Projects`], [`Commands`], [`Credentials`] and [`Providers`] are what an API needs. [`Workspaces`] has the rules for the folders of
//!   local workspaces.
//! - [`Pipelines`] activates repositories in a CI server and triggers their pipelines.
//! - [`Templates`] renders templates and writes them into workspaces.
//! - [`Services`] are all of these together.
//! - [`Watches`] follows the events of commands, live.
//! - [`AgentRegistry`] holds the agents and checks requests.
//! - [`Redactor`] removes secrets from what agents report.
//! - [`Runner`] claims commands and runs their agents; [`CredentialSecrets`] has the secrets that they get.
//! - [`DemoAgent`] is an agent that needs no installation and no model.

mod ci;
mod commands;
mod credential_secrets;
mod credentials;
mod deletions;
mod demo;
mod projects;
mod providers;
mod redactor;
mod registry;
mod runner;
mod secrets;
mod services;
mod settings;
mod templates;
mod watch;
mod workspaces;

pub use ci::{NewPipelineSecret, Pipelines, PipelinesError};
pub use commands::{CommandFault, Commands, CommandsError, NewCommand};
pub use credential_secrets::CredentialSecrets;
pub use credentials::{CredentialFault, Credentials, CredentialsError, NewCredential};
pub use demo::DemoAgent;
pub use projects::{ProjectFault, Projects, ProjectsError};
pub use providers::{ProviderStatus, Providers};
pub use redactor::{MIN_SECRET_CHARS, REDACTED, RedactedStream, Redactor};
pub use registry::{AgentRegistry, DuplicateAgent};
pub use runner::{Runner, RunnerHost, RunnerHostError, RunnerOptions, RunnerPorts};
pub use secrets::EnvironmentSecrets;
pub use services::Services;
pub use settings::{LimitChanges, Setting};
pub use templates::{RenderedTemplate, Templates, TemplatesError};
pub use watch::{ListWatch, Watch, WatchError, WatchTask, Watched, Watches};
pub use workspaces::{WorkspaceError, Workspaces};
