//! The values of a request that come from its project.

use rdev_runner_domain::AgentRequestError;

use super::NewCommand;

/// What a request leaves to its project.
pub(super) struct Inherited {
    provider: bool,
    permissions: bool,
    max_turns: bool,
    max_budget: bool,
}

impl Inherited {
    pub(super) fn of(new: &NewCommand) -> Self {
        Self {
            provider: new.provider.is_none(),
            permissions: new.permissions.is_none(),
            max_turns: new.limits.max_turns.is_kept(),
            max_budget: new.limits.max_budget_usd.is_kept(),
        }
    }

    /// Returns whether the value with this fault comes from the project. Other faults are found in the project's own
    /// settings.
    pub(super) const fn has(&self, fault: &AgentRequestError) -> bool {
        match fault {
            AgentRequestError::UnknownProvider(_) => self.provider,
            AgentRequestError::FullPermissionsUnsupported(_) => self.permissions,
            AgentRequestError::MaxTurnsUnsupported(_) => self.max_turns,
            AgentRequestError::MaxBudgetUnsupported(_) => self.max_budget,
            _ => false,
        }
    }
}
