//! The scopes of the command runner. The webhooks' API, which manages the keys of both, gives them to keys, and the
//! runner's API requires them.

use rdev_core::Scope;

/// Read projects, commands, events and providers.
pub const COMMANDS_READ: Scope = Scope::new("commands:read");
/// Queue, cancel and delete commands; includes [`COMMANDS_READ`].
pub const COMMANDS_WRITE: Scope = Scope::new("commands:write");
/// Create, change and delete projects.
pub const PROJECTS_WRITE: Scope = Scope::new("projects:write");

/// Read the names and the uses of credentials, which no scope reads the values of.
pub const CREDENTIALS_READ: Scope = Scope::new("credentials:read");
/// Store and delete credentials; includes [`CREDENTIALS_READ`].
pub const CREDENTIALS_WRITE: Scope = Scope::new("credentials:write");

/// All scopes, in the order of the documentation.
pub const ALL: [Scope; 5] =
    [COMMANDS_READ, COMMANDS_WRITE, PROJECTS_WRITE, CREDENTIALS_READ, CREDENTIALS_WRITE];
