//! Sample requests.

use std::collections::BTreeSet;

use rdev_runner_domain::{
    AgentProvider, AgentRequest, AgentRun, Capabilities, CommandId, Environment, LimitSettings,
    PermissionProfile, Project, ProjectSettings, RequestDraft, RunSecrets, Session, Timestamp, Workspace,
};

/// Returns the id of the `n`-th command.
#[must_use]
pub fn command_id(n: u8) -> CommandId {
    CommandId::from_parts(Timestamp::from_millis(1_736_937_000_000), [n; 10])
}

/// Returns a project of this name with a local workspace.
///
/// # Panics
///
/// Panics if the name is refused.
#[must_use]
#[expect(clippy::expect_used, reason = "only tests use it")]
pub fn project(name: &str) -> Project {
    let path = "/srv/my-project".parse().expect("a path");
    let settings = ProjectSettings::new(Workspace::Local { path });
    let now = Timestamp::from_millis(1_736_937_000_000);
    Project::new(name.parse().expect("a project name"), settings, now).expect("settings without faults")
}

/// Returns a request without faults for the `n`-th command.
///
/// # Panics
///
/// Panics if the name of the sample's project is refused.
#[must_use]
#[expect(clippy::expect_used, reason = "only tests use it")]
pub fn draft(n: u8, prompt: &str) -> RequestDraft {
    RequestDraft {
        command_id: command_id(n),
        project: "my-project".parse().expect("a project name"),
        provider: AgentProvider::claude(),
        prompt: prompt.to_owned(),
        session: Session::New,
        model: None,
        permissions: PermissionProfile::Edit,
        allowed_tools: Vec::new(),
        denied_tools: Vec::new(),
        limits: LimitSettings::default(),
        secrets: BTreeSet::new(),
        environment: Environment::new(),
    }
}

/// Returns a run of a request without faults, in a folder that every host has.
///
/// # Panics
///
/// Panics if the request has a fault.
#[must_use]
#[expect(clippy::expect_used, reason = "only tests use it")]
pub fn run(draft: RequestDraft) -> AgentRun {
    let workspace = Workspace::Local { path: "/tmp".parse().expect("a path") };
    AgentRun { request: request(draft), workspace, is_worktree: false, secrets: RunSecrets::default() }
}

/// Returns the checked form of a request, for a provider that can do everything.
///
/// # Panics
///
/// Panics if the request has a fault.
#[must_use]
#[expect(clippy::expect_used, reason = "only tests use it")]
pub fn request(draft: RequestDraft) -> AgentRequest {
    AgentRequest::new(draft, Capabilities::ALL).expect("a request without faults")
}
