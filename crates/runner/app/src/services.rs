//! The use cases together.

use rdev_access::{ApiKeys, Idempotency};
use rdev_app::Outages;

use crate::{Commands, Credentials, Pipelines, Projects, Providers, Templates, Watches};

/// All services that an API or a console needs. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Manages projects.
    pub projects: Projects,
    /// Queues, shows, cancels and deletes commands.
    pub commands: Commands,
    /// Stores, shows and deletes credentials.
    pub credentials: Credentials,
    /// Activates repositories in Woodpecker and triggers their pipelines.
    pub pipelines: Pipelines,
    /// Shows the registered agents.
    pub providers: Providers,
    /// Renders templates and writes them into workspaces.
    pub templates: Templates,
    /// Follows the events of commands.
    pub watches: Watches,
    /// Authenticates callers.
    pub api_keys: ApiKeys,
    /// Executes requests under idempotency keys.
    pub idempotency: Idempotency,
    /// The current failures of the database.
    pub outages: Outages,
}
