//! The domain of the command runner: commands, which are runs of coding agents, and the port to an agent.
//!
//! The domain does no I/O, reads no clock and draws no random numbers: times and ids are arguments. Every
//! existing value is valid: only the constructors (`FromStr`, `new`) create values, and their errors describe
//! the fault.
//!
//! # The life of a command
//!
//! A client asks for a command. [`AgentRequest::new`] checks the request against the [`Capabilities`] of its
//! provider. The command waits as [`CommandState::Queued`] until a runner starts it. A [`ports::CodeAgent`]
//! executes the request, passes an [`AgentEventKind`] to its sink for everything that the agent reports, and
//! returns the [`AgentResult`]. [`CommandState`] holds the rules, and says with each transition which event
//! the webhooks report. A [`ports::CommandQueue`] stores both in one transaction.

mod macros;

mod capabilities;
mod changes;
mod command;
mod credential;
mod environment;
mod event;
mod event_log;
mod exec;
mod git_credential;
mod id;
mod label_selector;
mod limits;
mod lines;
mod names;
mod pipeline;
mod pod;
pub mod ports;
mod project;
mod queue;
mod record;
mod request;
mod request_error;
mod result;
mod run;
mod run_secrets;
mod running;
mod statistics;
mod surrogates;
mod template;
mod template_error;
mod template_files;
mod timeout;
mod usd;
mod variable_kind;

pub use capabilities::Capabilities;
pub use changes::{CommitHash, CommitHashError, MAX_DIFF_BYTES, WorkspaceChanges, Worktree, WorktreeRequest};
pub use command::{Change, CommandState, CommandStatus, Publication, TransitionError};
pub use credential::{
    Credential, CredentialDraft, CredentialKind, CredentialUse, CredentialValue, CredentialValueError,
    CredentialVersion, GrantedCredential, MAX_CREDENTIAL_BYTES, MAX_CREDENTIAL_OVERLAP,
    MAX_CREDENTIAL_PROJECTS, MAX_CREDENTIAL_VERSIONS, MIN_CREDENTIAL_CHARS, sees_credential,
};
pub use environment::{
    Environment, EnvironmentName, EnvironmentNameError, EnvironmentValue, EnvironmentValueError,
    MAX_ENVIRONMENT_BYTES, MAX_ENVIRONMENT_VARIABLES, is_reserved_variable,
};
pub use event::{AgentEvent, AgentEventKind, Usage};
pub use event_log::{EventLog, MAX_STORED_BYTES};
pub use exec::{ExecEnd, ExecSpec, ExecState, OutputStream, RunName, RunNameError};
pub use git_credential::{GitCredential, GitCredentialError};
pub use id::{CommandId, PipelineId};
pub use label_selector::{LabelSelector, LabelSelectorError};
pub use limits::{LimitSettings, Limits};
pub use lines::{Line, LineBuffer, MAX_LINE_BYTES};
pub use names::{
    AgentProvider, AgentProviderError, ModelName, ModelNameError, PROJECT_SLUG_PATTERN, ProjectSlugError,
    SecretName, SecretNameError, SessionRef, SessionRefError, ToolRule, ToolRuleError, check_project_slug,
    project_slug,
};
pub use pipeline::{
    BranchName, BranchNameError, CiEvent, CiPipeline, CiRepository, CiSecret, Pipeline, PipelineStatus,
    PipelineTrigger, RepositoryName, RepositoryNameError,
};
pub use pod::{ClusterId, ClusterIdError, KubernetesName, KubernetesNameError, Pod, PodWorkspace};
pub use project::{
    Project, ProjectDescription, ProjectDescriptionError, ProjectError, ProjectFilter, ProjectSettings,
    Workspace, WorkspacePath, WorkspacePathError,
};
pub use queue::{
    AbandonedCommands, AttachRequest, ClaimRequest, Host, HostError, LeaseRef, LeaseState, LeasedCommand,
    Progress, QueueLimits, RunBeginning, RunReport, WaitReason, Waiting,
};
pub use record::{Command, CommandFilter, EventPage, MAX_EVENT_PAGE_BYTES};
pub use request::{AgentRequest, PermissionProfile, RequestDraft, Session};
pub use request_error::{AgentRequestError, MAX_PROMPT_BYTES, MAX_SECRETS, MAX_TOOL_RULES};
pub use result::{AgentResult, Denial, FailureReason, Outcome};
pub use run::AgentRun;
pub use run_secrets::{RunSecrets, SECRETS_FOLDER};
pub use running::{RunningCommand, RunningCommands};
pub use statistics::{ProjectStatistics, StatisticsWindow, StatisticsWindowError};
pub use surrogates::mend_surrogates;
pub use template::{
    MAX_VARIABLES, Template, TemplateDefinitionError, TemplateName, TemplateNameError, TemplateVariable,
    VariableFault, VariableName, VariableNameError, VariableValue, VariableValues,
};
pub use template_error::{BlockedPath, FileSystemError, Obstacle, TemplateError, TemplateFault};
pub use template_files::{
    FilePath, FilePathError, FileState, MAX_PATH_SEGMENTS, RenderedFile, Rendering, STAGING_FOLDER,
    is_file_name,
};
pub use timeout::Timeout;
pub use usd::{Usd, UsdError};
pub use variable_kind::VariableKind;

pub use rdev_core::{Access, LeaseToken, Page, PageRequest, ProjectName, ProjectNameError, Timestamp};
