//! Projects.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::macros::checked_text;
use crate::{
    AgentProvider, AgentRequestError, LimitSettings, Limits, MAX_SECRETS, MAX_TOOL_RULES, PermissionProfile,
    PodWorkspace, ProjectName, SecretName, Timestamp, ToolRule,
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
    /// The agent; the registry's default without one.
    pub provider: Option<AgentProvider>,
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
    /// The number of commands that may run at once.
    pub max_running: u32,
}

impl ProjectSettings {
    /// Returns the defaults: nothing but the workspace, and one command at a time.
    #[must_use]
    pub const fn new(workspace: Workspace) -> Self {
        Self {
            provider: None,
            workspace,
            limits: LimitSettings::NONE,
            permissions: PermissionProfile::Edit,
            allowed_tools: Vec::new(),
            denied_tools: Vec::new(),
            secrets: BTreeSet::new(),
            max_running: 1,
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
        Ok(Self { name, settings, version: 1, created_at: now, updated_at: now })
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
    pub const fn pointer(&self) -> &'static str {
        match self {
            Self::Request(fault) => fault.pointer(),
            Self::InvalidMaxRunning => "/max_running",
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
            ..settings()
        };
        let faults = Project::new("p".parse().unwrap(), faulty, Timestamp::EPOCH).unwrap_err();
        let pointers: Vec<_> = faults.iter().map(ProjectError::pointer).collect();
        assert_eq!(pointers, ["/allowed_tools", "/limits/wall_ms", "/max_running"]);
        assert_eq!(faults[2].to_string(), "must be a number from 1 to 1000");
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
