//! Projects.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::environment::environment_bytes;
use crate::macros::checked_text;
use crate::{
    AgentProvider, AgentRequestError, Environment, EnvironmentName, LimitSettings, Limits,
    MAX_ENVIRONMENT_BYTES, MAX_ENVIRONMENT_VARIABLES, MAX_SECRETS, MAX_TOOL_RULES, ModelName,
    PermissionProfile, PodWorkspace, ProjectName, RepositoryName, SecretName, Timestamp, ToolRule,
};

/// The numbers of commands that may run at once on a project.
const RUNNING: RangeInclusive<u32> = 1..=1_000;

checked_text!(
    /// The folder of a workspace: an absolute path of at most 4,096 bytes, without control characters and
    /// without `..`.
    WorkspacePath,
    WorkspacePathError,
    "must be an absolute path of at most 4096 bytes, without control characters and without `..`",
    |text| {
        text.len() <= 4_096
            && text.starts_with('/')
            && !text.chars().any(char::is_control)
            && text.split('/').all(|part| part != "..")
    }
);

checked_text!(
    /// A text for people about a project: 1 to 1,000 characters, without control characters except line breaks and
    /// tabs.
    ProjectDescription,
    ProjectDescriptionError,
    "must be 1 to 1000 characters without control characters except line breaks (\\n) and tabs",
    |text| {
        (1..=1_000).contains(&text.chars().count())
            && !text.chars().any(|one| one.is_control() && !matches!(one, '\n' | '\t'))
    }
);

/// The place in which an agent works on a project.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Workspace {
    /// A folder of the runner's host.
    Local {
        /// The folder.
        path: WorkspacePath,
    },
    /// A folder in a pod of a Kubernetes cluster.
    Kubernetes(PodWorkspace),
}

/// The settings of a project, unchecked. Requests that name no value of their own get these.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectSettings {
    /// What the project is.
    pub description: Option<ProjectDescription>,
    /// The agent; the registry's default without one.
    pub provider: Option<AgentProvider>,
    /// The model; the agent's own default without one.
    pub model: Option<ModelName>,
    /// The place in which the agent works.
    pub workspace: Workspace,
    /// The limits.
    pub limits: LimitSettings,
    /// The permission profile.
    pub permissions: PermissionProfile,
    /// The tools that the agent may use in addition to those of the profile.
    pub allowed_tools: Vec<ToolRule>,
    /// The tools that the agent may not use.
    pub denied_tools: Vec<ToolRule>,
    /// The secrets that the agent finds in its environment.
    pub secrets: BTreeSet<SecretName>,
    /// Further variables of the agent's environment, whose values are no secrets.
    pub environment: Environment,
    /// The repository of its pipelines.
    pub repository: Option<RepositoryName>,
    /// The number of commands that may run at once.
    pub max_running: u32,
    /// Whether the project takes no commands.
    pub is_archived: bool,
}

impl ProjectSettings {
    /// Returns the defaults: nothing but the workspace, and one command at a time.
    #[must_use]
    pub const fn new(workspace: Workspace) -> Self {
        Self {
            description: None,
            provider: None,
            model: None,
            workspace,
            limits: LimitSettings::NONE,
            permissions: PermissionProfile::Edit,
            allowed_tools: Vec::new(),
            denied_tools: Vec::new(),
            secrets: BTreeSet::new(),
            environment: Environment::new(),
            repository: None,
            max_running: 1,
            is_archived: false,
        }
    }
}

/// A project.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// The name.
    pub name: ProjectName,
    settings: ProjectSettings,
    /// The version: 1, and one more with each change.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Whether it is being deleted: it takes no commands, and is gone once those that run have ended.
    pub is_deleting: bool,
}

/// The projects that a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProjectFilter {
    /// Only those that are archived, or only the others.
    pub is_archived: Option<bool>,
}

/// A fault of a project's settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProjectError {
    /// A value that no request could have.
    #[error(transparent)]
    Request(AgentRequestError),
    /// [`ProjectSettings::max_running`] is out of range.
    #[error("must be a number from {} to {}", RUNNING.start(), RUNNING.end())]
    InvalidMaxRunning,
    /// [`ProjectSettings::environment`] has too many variables.
    #[error("must have at most {MAX_ENVIRONMENT_VARIABLES} variables")]
    TooManyVariables,
    /// [`ProjectSettings::environment`] is too large.
    #[error("must have at most {MAX_ENVIRONMENT_BYTES} bytes of names and values")]
    EnvironmentTooLarge,
    /// A variable of [`ProjectSettings::environment`] has the name of a secret of the project.
    #[error("is the name of a secret of the project")]
    VariableIsSecret(EnvironmentName),
}

impl Project {
    /// Checks the settings of a project, new at `now`.
    ///
    /// # Errors
    ///
    /// Returns every fault of the settings.
    pub fn new(
        name: ProjectName,
        settings: ProjectSettings,
        now: Timestamp,
    ) -> Result<Self, Vec<ProjectError>> {
        check(&settings)?;
        Ok(Self { name, settings, version: 1, created_at: now, updated_at: now, is_deleting: false })
    }

    /// Returns the project with other settings, as its next version.
    ///
    /// # Errors
    ///
    /// Returns every fault of the settings.
    pub fn changed(&self, settings: ProjectSettings, now: Timestamp) -> Result<Self, Vec<ProjectError>> {
        check(&settings)?;
        Ok(Self { settings, version: self.version + 1, updated_at: now, ..self.clone() })
    }

    /// Returns the settings.
    #[must_use]
    pub const fn settings(&self) -> &ProjectSettings {
        &self.settings
    }
}

impl ProjectError {
    /// Returns the JSON pointer of the faulty member.
    #[must_use]
    pub fn pointer(&self) -> Cow<'static, str> {
        match self {
            Self::Request(fault) => fault.pointer().into(),
            Self::InvalidMaxRunning => "/max_running".into(),
            Self::TooManyVariables | Self::EnvironmentTooLarge => "/environment".into(),
            Self::VariableIsSecret(name) => format!("/environment/{name}").into(),
        }
    }
}

fn check(settings: &ProjectSettings) -> Result<(), Vec<ProjectError>> {
    let mut faults = Vec::new();
    if settings.allowed_tools.len() > MAX_TOOL_RULES {
        faults.push(ProjectError::Request(AgentRequestError::TooManyAllowedTools));
    }
    if settings.denied_tools.len() > MAX_TOOL_RULES {
        faults.push(ProjectError::Request(AgentRequestError::TooManyDeniedTools));
    }
    if settings.secrets.len() > MAX_SECRETS {
        faults.push(ProjectError::Request(AgentRequestError::TooManySecrets));
    }
    if let Err(limits) = Limits::new(settings.limits) {
        faults.extend(limits.into_iter().map(ProjectError::Request));
    }
    if !RUNNING.contains(&settings.max_running) {
        faults.push(ProjectError::InvalidMaxRunning);
    }
    if settings.environment.len() > MAX_ENVIRONMENT_VARIABLES {
        faults.push(ProjectError::TooManyVariables);
    }
    if environment_bytes(&settings.environment) > MAX_ENVIRONMENT_BYTES {
        faults.push(ProjectError::EnvironmentTooLarge);
    }
    let is_secret =
        |name: &&EnvironmentName| settings.secrets.iter().any(|secret| secret.as_str() == name.as_str());
    faults.extend(settings.environment.keys().filter(is_secret).cloned().map(ProjectError::VariableIsSecret));
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings() -> ProjectSettings {
        ProjectSettings::new(Workspace::Local { path: "/srv/my-project".parse().unwrap() })
    }

    #[test]
    fn every_fault_is_reported_at_its_pointer() {
        let faulty = ProjectSettings {
            limits: LimitSettings { wall: Some(Duration::ZERO), ..LimitSettings::NONE },
            allowed_tools: vec!["Edit".parse().unwrap(); MAX_TOOL_RULES + 1],
            max_running: 0,
            secrets: ["TOKEN".parse().unwrap()].into(),
            environment: variables(101).into_iter().chain(variable("TOKEN", "x")).collect(),
            ..settings()
        };
        let faults = Project::new("p".parse().unwrap(), faulty, Timestamp::EPOCH).unwrap_err();
        let pointers: Vec<_> = faults.iter().map(ProjectError::pointer).collect();
        let environment = ["/environment", "/environment/TOKEN"];
        assert_eq!(
            pointers,
            [&["/allowed_tools", "/limits/wall_ms", "/max_running"][..], &environment].concat()
        );
        assert_eq!(faults[2].to_string(), "must be a number from 1 to 1000");
    }

    fn variable(name: &str, value: &str) -> Environment {
        [(name.parse().unwrap(), value.parse().unwrap())].into()
    }

    fn variables(count: usize) -> Environment {
        (0..count).flat_map(|n| variable(&format!("N{n}"), "value")).collect()
    }

    #[test]
    fn an_environment_is_bounded_in_bytes() {
        let faults = |environment| {
            let settings = ProjectSettings { environment, ..settings() };
            Project::new("p".parse().unwrap(), settings, Timestamp::EPOCH).err()
        };
        let large = |n: usize| -> Environment {
            (0..4).flat_map(|at| variable(&format!("N{at}"), &"x".repeat(n))).collect()
        };
        assert_eq!((faults(variables(100)), faults(large(4_094))), (None, None));
        assert_eq!(faults(large(4_095)), Some(vec![ProjectError::EnvironmentTooLarge]));
    }

    #[test]
    fn a_change_is_the_next_version() {
        let project = Project::new("p".parse().unwrap(), settings(), Timestamp::EPOCH).unwrap();
        let later = Timestamp::EPOCH + Duration::from_secs(1);
        let changed = project.changed(ProjectSettings { max_running: 2, ..settings() }, later).unwrap();
        assert_eq!((changed.version, changed.settings().max_running), (2, 2));
        assert_eq!((changed.created_at, changed.updated_at), (Timestamp::EPOCH, later));
        assert!(project.changed(ProjectSettings { max_running: 1_001, ..settings() }, later).is_err());
    }

    #[test]
    fn a_workspace_is_an_absolute_path_that_never_goes_up() {
        for valid in ["/", "/srv/my project", "/srv/a..b/é"] {
            assert!(valid.parse::<WorkspacePath>().is_ok(), "{valid}");
        }
        for invalid in ["", "srv", "/srv/../etc", "/..", "/a\nb", &format!("/{}", "a".repeat(4_096))] {
            assert_eq!(invalid.parse::<WorkspacePath>(), Err(WorkspacePathError), "{invalid:?}");
        }
    }
}
