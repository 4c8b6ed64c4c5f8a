//! String types with their own schema: ids, names and enumerations in JSON.

use rdev_http::kind::{Element, parsed};
use rdev_http::schema::{id, one_of, text};
use rdev_runner_domain as domain;

pub(crate) use rdev_http::schema::types::{ProjectName, Timestamp};

rdev_http::named_types! {
    pub(crate) types;

    /// The id of a command.
    CommandId = id(domain::CommandId::PREFIX, "01jhmvbd40c7x2n5k8q4r6w9zt");
    /// The name of a provider: `claude`, `opencode`, or any other that `GET /providers` lists.
    AgentProvider = text("^[a-z][a-z0-9-]{0,63}$", "claude"), parsed => domain::AgentProvider;
    /// The name of a new project: lower-case letters, digits, and `-`, `_` or `.` between them.
    NewProjectName = text(domain::PROJECT_SLUG_PATTERN, "my-project").max_length(Some(128)), |value, faults| {
        let text = value.string(faults)?;
        // A change may repeat another name, which an older project has.
        match (text.parse(), domain::check_project_slug(&text)) {
            (Ok(name), _) => Some(name),
            (Err(_), Err(error)) => value.refuse(faults, error),
            (Err(error), Ok(())) => value.refuse(faults, error),
        }
    } => domain::ProjectName;
    /// An agent's own name of a session.
    SessionRef = text("^[!-,.-~][!-~]{0,255}$", "9f086e73-0144-4a78-9efe-c01996fe4a17"), parsed => domain::SessionRef;
    /// The name of a commit of git.
    CommitHash = text("^([0-9a-f]{40}|[0-9a-f]{64})$", "3f0c1d7e9a8b4c2d6e5f0a1b2c3d4e5f60718293");
    /// An agent's own name of a model.
    ModelName = text("^[!-,.-~][!-~]{0,255}$", "claude-sonnet-4-5"), parsed => domain::ModelName;
    /// A text for people about a project.
    ProjectDescription = rdev_http::kind::string().min_length(Some(1)).max_length(Some(1_000)),
        parsed => domain::ProjectDescription;
    /// The name of an environment variable: no reserved one such as `PATH`, `HOME`, `LD_PRELOAD`, or what begins with
    /// `RDEV_`.
    EnvironmentName = text("^[A-Za-z_][A-Za-z0-9_]{0,127}$", "RUST_LOG");
    /// The value of an environment variable: at most 4,096 bytes of UTF-8 without NUL.
    EnvironmentValue = rdev_http::kind::string().max_length(Some(4_096));
    /// A repository: its owner and its name.
    RepositoryName = text("^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+$", "acme/billing").max_length(Some(255)),
        parsed => domain::RepositoryName;
    /// The name of a branch.
    BranchName = text(r"^\S{1,255}$", "main"), parsed => domain::BranchName;
    /// The id of a pipeline.
    PipelineId = id(domain::PipelineId::PREFIX, "01jhmvbd40c7x2n5k8q4r6w9zt");
    /// The status of a pipeline: `pending` and `running` have not ended; `success`, `failure`, `killed`, `error`, `declined`,
    /// `skipped` and `lost` (its end is unknown) have.
    PipelineStatus = one_of(domain::PipelineStatus::ALL.iter().map(|status| status.as_str()));
    /// What starts a pipeline.
    PipelineEvent = one_of(domain::CiEvent::ALL.iter().map(|event| event.as_str())), |value, faults| {
        value.one_of(domain::CiEvent::ALL.iter().map(|event| (event.as_str(), *event)), faults)
    } => domain::CiEvent;
    /// The name of a secret in pipelines.
    PipelineSecretName = text("^[A-Za-z0-9_]{1,128}$", "rdev_api_key"), |value, faults| {
        let name = value.string(faults)?;
        let is_name = (1..=128).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_name { Some(name) } else { value.refuse(faults, "must be 1 to 128 ASCII letters, digits and underscores") }
    } => String;
    /// A tool of an agent, or some uses of it: a name, and optionally a pattern in parentheses.
    ToolRule = text(r"^[A-Za-z][A-Za-z0-9_.:*-]*(\([^()]+\))?$", "Bash(cargo *)").max_length(Some(256)),
        parsed => domain::ToolRule;
    /// The name of a secret, which is also that of the environment variable in which the agent finds its value.
    SecretName = text("^[A-Za-z_][A-Za-z0-9_]{0,127}$", "ANTHROPIC_API_KEY"), parsed => domain::SecretName;
    /// The way in which a run gets the value of a credential: an environment variable of its name (`env`); a private
    /// file, whose path is in the environment variable of its name (`file`); a credential helper of git (`git`).
    CredentialKind = one_of(domain::CredentialKind::ALL.iter().map(|kind| kind.as_str())), |value, faults| {
        value.one_of(domain::CredentialKind::ALL.iter().map(|kind| (kind.as_str(), *kind)), faults)
    } => domain::CredentialKind;
    /// The value of a credential: text without NUL, at most 65,536 bytes of UTF-8, and at least 4 characters without
    /// white space at the ends.
    CredentialValue = rdev_http::kind::string().min_length(Some(domain::MIN_CREDENTIAL_CHARS))
        .max_length(Some(domain::MAX_CREDENTIAL_BYTES)).write_only(true)
        .examples([serde_json::Value::from("a secret token")]), |value, faults| {
        value.string(faults).map(Into::into)
    } => secrecy::SecretString;
    /// The folder of a workspace: an absolute path without `..`.
    WorkspacePath = text("^/", "/srv/my-project").max_length(Some(4_096)), parsed => domain::WorkspacePath;
    /// The name of a Kubernetes namespace or container.
    KubernetesName = text("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "agents"), parsed => domain::KubernetesName;
    /// A label selector of Kubernetes.
    LabelSelector = text("^[A-Za-z0-9_./,=!() -]+$", "app=my-project").max_length(Some(1_024)),
        parsed => domain::LabelSelector;
    /// What an agent may do without being asked: read the project (`read-only`); edit files, and use the allowed tools
    /// (`edit`); anything (`full`).
    PermissionProfile = one_of(domain::PermissionProfile::ALL.iter().map(|profile| profile.as_str())), |value, faults| {
        value.one_of(domain::PermissionProfile::ALL.iter().map(|profile| (profile.as_str(), *profile)), faults)
    } => domain::PermissionProfile;
    /// The status of a command: `queued` waits for a runner; `starting` was taken by a runner, which starts the agent;
    /// `running` works; `cancelling` is being stopped at a client's request; `completed`, `failed`, `cancelled`,
    /// `timed_out` and `lost` (no runner could find out how the run ended) have ended.
    CommandStatus = one_of(domain::CommandStatus::ALL.iter().map(|status| status.as_str())), |value, faults| {
        value.one_of(domain::CommandStatus::ALL.iter().map(|status| (status.as_str(), *status)), faults)
    } => domain::CommandStatus;
    /// Why a command waits: as many commands run as may in all (`max_running`), of its provider (`provider`) or of its
    /// project (`project`); another command runs on the session that it continues (`session`); a runner has to take it,
    /// after the commands before it (`runner`).
    WaitReason = one_of(domain::WaitReason::ALL.iter().map(|reason| reason.as_str()));
    /// The name of a template.
    TemplateName = text("^[a-z][a-z0-9-]{0,63}$", "rust-service"), parsed => domain::TemplateName;
    /// The name of a variable of a template.
    VariableName = text("^[a-z][a-z0-9_]{0,63}$", "port");
    /// The values that a variable may have: lower-case letters, digits and hyphens (`slug`); one line of text (`text`); a
    /// URL of HTTP or HTTPS (`url`); a whole number from `min` to `max` (`integer`); `boolean`; one of the `values`
    /// (`choice`); a list of texts (`list`). Later versions may add to these.
    VariableType = text("^[a-z_]+$", "slug");
    /// The value of a variable: a text, a whole number, a boolean, or a list of texts.
    VariableValue = rdev_http::kind::anything();
    /// The path of a file within a workspace.
    FilePath = text("^[^/]", "src/main.rs").max_length(Some(1_024));
    /// What a workspace has at a path: nothing (`new`), a file with the same content (`unchanged`), or a file with other
    /// content (`changed`).
    FileState = one_of(domain::FileState::ALL.iter().map(|state| state.as_str()));
    /// What an event reports. Later versions may add to these: `session_started`, `text_delta`, `message`, `thinking`,
    /// `tool_call`, `tool_result`, `permission_denied`, `retry`, `usage`, `warning`, `raw`.
    EventKind = text("^[a-z_]+$", "message");
}

impl Element for ToolRule {
    const NOUN: &'static str = "tools";
}

impl Element for PipelineEvent {
    const NOUN: &'static str = "events";
    const TOO_FEW: Option<&'static str> = Some("must contain at least one event");
}

impl Element for SecretName {
    const NOUN: &'static str = "names";
}
