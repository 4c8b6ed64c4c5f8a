//! Requests.

use std::collections::BTreeSet;

use crate::macros::named;
use crate::{
    AgentProvider, AgentRequestError, Capabilities, CommandId, Environment, LimitSettings, Limits,
    MAX_PROMPT_BYTES, MAX_SECRETS, MAX_TOOL_RULES, ModelName, ProjectName, SecretName, SessionRef, ToolRule,
};

/// The conversation that a run belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Session {
    /// A new one.
    New,
    /// This one, which the run continues.
    Resume(SessionRef),
    /// A copy of this one.
    Fork(SessionRef),
}

named!(
    /// What an agent may do without being asked.
    PermissionProfile {
        /// Read the project.
        ReadOnly = "read-only",
        /// Edit files, and use the allowed tools.
        Edit = "edit",
        /// Anything.
        Full = "full",
    }
);

/// A request, unchecked.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestDraft {
    /// The command.
    pub command_id: CommandId,
    /// The project on which the agent works.
    pub project: ProjectName,
    /// The agent.
    pub provider: AgentProvider,
    /// The prompt.
    pub prompt: String,
    /// The session.
    pub session: Session,
    /// The model; the agent's own default without one.
    pub model: Option<ModelName>,
    /// The permission profile.
    pub permissions: PermissionProfile,
    /// The tools that the agent may use in addition to those of the profile.
    pub allowed_tools: Vec<ToolRule>,
    /// The tools that the agent may not use. They take precedence.
    pub denied_tools: Vec<ToolRule>,
    /// The limits.
    pub limits: LimitSettings,
    /// The secrets that the agent finds in its environment.
    pub secrets: BTreeSet<SecretName>,
    /// The environment variables of the project, whose values are no secrets.
    pub environment: Environment,
}

/// What an agent is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentRequest {
    draft: RequestDraft,
    limits: Limits,
}

impl AgentRequest {
    /// Checks a request for a provider with these capabilities.
    ///
    /// # Errors
    ///
    /// Returns every fault of the request.
    pub fn new(draft: RequestDraft, capabilities: Capabilities) -> Result<Self, Vec<AgentRequestError>> {
        let mut faults = Vec::new();
        if draft.prompt.trim().is_empty() {
            faults.push(AgentRequestError::PromptRequired);
        }
        if draft.prompt.len() > MAX_PROMPT_BYTES {
            faults.push(AgentRequestError::PromptTooLarge);
        }
        if draft.allowed_tools.len() > MAX_TOOL_RULES {
            faults.push(AgentRequestError::TooManyAllowedTools);
        }
        if draft.denied_tools.len() > MAX_TOOL_RULES {
            faults.push(AgentRequestError::TooManyDeniedTools);
        }
        if draft.secrets.len() > MAX_SECRETS {
            faults.push(AgentRequestError::TooManySecrets);
        }
        faults.extend(unsupported(&draft, capabilities));
        match Limits::new(draft.limits) {
            Ok(limits) if faults.is_empty() => Ok(Self { draft, limits }),
            Ok(_) => Err(faults),
            Err(invalid) => {
                faults.extend(invalid);
                Err(faults)
            }
        }
    }

    /// Returns the parts of the request as they were asked for.
    #[must_use]
    pub const fn draft(&self) -> &RequestDraft {
        &self.draft
    }

    /// Returns the limits.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// Returns a fault for everything that the provider cannot do.
fn unsupported(
    draft: &RequestDraft,
    capabilities: Capabilities,
) -> impl Iterator<Item = AgentRequestError> + use<> {
    let provider = || draft.provider.clone();
    let asks_for = [
        (
            matches!(draft.session, Session::Resume(_)) && !capabilities.resume,
            AgentRequestError::ResumeUnsupported(provider()),
        ),
        (
            matches!(draft.session, Session::Fork(_)) && !capabilities.fork,
            AgentRequestError::ForkUnsupported(provider()),
        ),
        (
            draft.limits.max_turns.is_some() && !capabilities.max_turns,
            AgentRequestError::MaxTurnsUnsupported(provider()),
        ),
        (
            draft.limits.max_budget_usd.is_some() && !capabilities.max_budget,
            AgentRequestError::MaxBudgetUnsupported(provider()),
        ),
        (
            draft.permissions == PermissionProfile::Full && !capabilities.full_permissions,
            AgentRequestError::FullPermissionsUnsupported(provider()),
        ),
    ];
    asks_for.into_iter().filter_map(|(is_unsupported, fault)| is_unsupported.then_some(fault))
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
