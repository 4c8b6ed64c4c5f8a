//! What an agent gets for a run.

use std::collections::BTreeMap;

use secrecy::SecretString;

use crate::{AgentRequest, CommandId, RunSecrets, Workspace};

/// A run of an agent, which has the id of its command.
#[derive(Debug, Clone)]
pub struct AgentRun {
    /// What the agent is asked to do.
    pub request: AgentRequest,
    /// The place in which it works.
    pub workspace: Workspace,
    /// Whether the place is a worktree, which is removed after the run.
    pub is_worktree: bool,
    /// The secrets that the request names.
    pub secrets: RunSecrets,
}

impl AgentRun {
    /// Returns the id of the command.
    #[must_use]
    pub const fn command_id(&self) -> CommandId {
        self.request.draft().command_id
    }

    /// Returns the variables for the agent's environment: those of the request, and over them those of the secrets.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, SecretString> {
        let plain = self.request.draft().environment.iter();
        let plain = plain.map(|(name, value)| (name.to_string(), value.as_str().into()));
        plain.chain(self.secrets.environment()).collect()
    }
}
