//! The operations of the API.

mod commands;
mod credentials;
mod projects;
mod providers;
mod templates;
mod woodpecker;

#[cfg(test)]
use rdev_client::Operation;

pub use commands::{CommandFilter, NewCommand, NewLimits, NewSession};
pub use credentials::{CredentialFilter, NewCredential};
#[cfg(test)]
pub(crate) use projects::statistics_query;
pub use projects::{NewPod, NewProject, NewWorkspace, ProjectFilter, ProjectPatch};
pub use templates::{ApplyTemplate, RenderTemplate};
pub use woodpecker::{NewPipeline, NewPipelineSecret};

/// Every operation that the client has.
#[cfg(test)]
pub(crate) const ALL: &[&[&Operation]] =
    &[commands::ALL, credentials::ALL, projects::ALL, providers::ALL, templates::ALL, woodpecker::ALL];
