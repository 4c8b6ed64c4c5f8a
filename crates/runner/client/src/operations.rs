//! The operations of the API.

mod commands;
mod projects;
mod providers;

#[cfg(test)]
use rdev_client::Operation;

pub use commands::{CommandFilter, NewCommand, NewLimits, NewSession};
pub use projects::{NewProject, NewWorkspace, ProjectPatch};

/// Every operation that the client has.
#[cfg(test)]
pub(crate) const ALL: &[&[&Operation]] = &[commands::ALL, projects::ALL, providers::ALL];
