//! The faults of a request.

use crate::{AgentProvider, Timeout};

/// The largest prompt: 1 MiB.
pub const MAX_PROMPT_BYTES: usize = 1024 * 1024;

/// The largest number of allowed tools, and of denied tools.
pub const MAX_TOOL_RULES: usize = 100;

/// The largest number of secrets.
pub const MAX_SECRETS: usize = 50;

/// A fault of a request. [`Self::pointer`] says where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AgentRequestError {
    /// No agent is registered under the name.
    #[error("no provider is named `{0}`")]
    UnknownProvider(AgentProvider),
    /// The request names no provider, and none is registered.
    #[error("no provider is registered")]
    NoProvider,
    /// The prompt is blank.
    #[error("must not be blank")]
    PromptRequired,
    /// The prompt is longer than [`MAX_PROMPT_BYTES`].
    #[error("must be at most {MAX_PROMPT_BYTES} bytes")]
    PromptTooLarge,
    /// A limit of time is out of range.
    #[error("must be 1 to {} ms", .0.longest().as_millis())]
    InvalidTimeout(Timeout),
    /// The number of turns is out of range.
    #[error("must be 1 to 10000")]
    InvalidMaxTurns,
    /// The budget is out of range.
    #[error("must be 0.000001 to 10000")]
    InvalidMaxBudget,
    /// The provider cannot continue a session.
    #[error("the provider `{0}` cannot resume a session")]
    ResumeUnsupported(AgentProvider),
    /// The provider cannot copy a session.
    #[error("the provider `{0}` cannot fork a session")]
    ForkUnsupported(AgentProvider),
    /// The provider cannot limit turns.
    #[error("the provider `{0}` cannot limit turns")]
    MaxTurnsUnsupported(AgentProvider),
    /// The provider cannot keep a budget.
    #[error("the provider `{0}` cannot keep a budget")]
    MaxBudgetUnsupported(AgentProvider),
    /// The provider cannot run with the profile `full` on this host.
    #[error("the provider `{0}` refuses the profile `full` on this host, where it runs as root")]
    FullPermissionsUnsupported(AgentProvider),
    /// There are more than [`MAX_TOOL_RULES`] allowed tools.
    #[error("must contain at most {MAX_TOOL_RULES} tools")]
    TooManyAllowedTools,
    /// There are more than [`MAX_TOOL_RULES`] denied tools.
    #[error("must contain at most {MAX_TOOL_RULES} tools")]
    TooManyDeniedTools,
    /// There are more than [`MAX_SECRETS`] secrets.
    #[error("must contain at most {MAX_SECRETS} names")]
    TooManySecrets,
    /// The runner has no such secret: a sentence that says what to change.
    #[error("{0}")]
    SecretMissing(String),
}

impl AgentRequestError {
    /// Returns the JSON pointer of the faulty member of a command as a client asks for it.
    #[must_use]
    pub const fn pointer(&self) -> &'static str {
        match self {
            Self::UnknownProvider(_) | Self::NoProvider => "/type",
            Self::PromptRequired | Self::PromptTooLarge => "/prompt",
            Self::InvalidTimeout(Timeout::Wall) => "/limits/wall_ms",
            Self::InvalidTimeout(Timeout::Idle) => "/limits/idle_ms",
            Self::InvalidTimeout(Timeout::ToolIdle) => "/limits/tool_idle_ms",
            Self::InvalidTimeout(Timeout::Start) => "/limits/start_ms",
            Self::InvalidMaxTurns | Self::MaxTurnsUnsupported(_) => "/limits/max_turns",
            Self::InvalidMaxBudget | Self::MaxBudgetUnsupported(_) => "/limits/max_budget_usd",
            Self::ResumeUnsupported(_) => "/session/resume",
            Self::ForkUnsupported(_) => "/session/fork",
            Self::FullPermissionsUnsupported(_) => "/permissions",
            Self::TooManyAllowedTools => "/allowed_tools",
            Self::TooManyDeniedTools => "/denied_tools",
            Self::TooManySecrets | Self::SecretMissing(_) => "/secrets",
        }
    }
}
