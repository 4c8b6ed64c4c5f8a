//! The body that creates a project, which is also the merge patch (RFC 7396) that changes one.

use rdev_core::{Access, ProjectName};
use rdev_http::Faults;
use rdev_http::body::Document;
use rdev_http::kind::{Integer, Kind};
use rdev_http::members::Patch;
use rdev_runner_app::{ProjectFault, Projects, Setting};
use rdev_runner_domain::{PermissionProfile, Project, ProjectSettings, check_project_slug};

use super::environment::{self, Variables};
use super::workspace::{WorkspaceBody, workspace};
use crate::failure::add_project_faults;
use crate::routes::limits::{LimitsBody, limits, setting};
use crate::routes::tools::{Secrets, Tools, elements};
use crate::schema_types as types;

rdev_http::members! {
    /// A new project.
    pub(super) struct ProjectBody as NewProject {
        /// It cannot be changed later.
        name: types::NewProjectName,
        /// What the project is, for people.
        description: Patch<types::ProjectDescription>,
        /// The provider of commands that name none; by default the default provider.
        provider: Patch<types::AgentProvider>,
        /// The model of commands of that provider that name none; by default the agent's own.
        model: Patch<types::ModelName>,
        /// The place in which the agent works; by default the folder of the project's name in the runner's root of
        /// workspaces.
        workspace: Patch<WorkspaceBody>,
        /// The limits of commands that name none.
        limits: Patch<LimitsBody>,
        permissions: Patch<types::PermissionProfile> = "edit",
        /// The tools that the agent may use in addition to those of the permission profile.
        allowed_tools: Patch<Tools>,
        /// The tools that the agent may not use. They take precedence.
        denied_tools: Patch<Tools>,
        /// The secrets that the agent finds in its environment.
        secrets: Patch<Secrets>,
        /// Further variables of the agent's environment, at most 100 with 16 KiB in all. Their values are no secrets:
        /// everyone who sees the project or its commands reads them.
        environment: Patch<Variables>,
        /// The repository of its pipelines in the CI server. A key that is restricted to projects cannot set it.
        repository: Patch<types::RepositoryName>,
        /// The number of commands that may run at once.
        max_running: Patch<Integer<1, 1_000>> = 1,
        /// Whether the project takes no commands. Those that are queued still run.
        archived: Patch<bool> = false,
    }
}

/// A project as a body asks for it.
pub(super) struct Request {
    pub(super) name: ProjectName,
    pub(super) settings: ProjectSettings,
}

/// Reads the whole body of a new project, or of a change of `present`. Fails with all its faults, those of its meaning
/// included.
pub(super) async fn read(
    document: &Document,
    present: Option<&Project>,
    projects: &Projects,
    access: &Access,
) -> Result<Request, Faults> {
    let mut faults = Faults::default();
    let root = document.root();
    let root = if present.is_some() { root.as_patch_of("project") } else { root };
    let body = ProjectBody::read(&root, &mut faults);
    let request = body.and_then(|body| request(body, present, projects, &mut faults));
    // The use case makes this check again. What cannot be read has a default meanwhile, which has no fault.
    if let Some(Request { name, settings }) = request.as_ref().filter(|_| !faults.is_empty()) {
        let found = projects.check(access, name, present.map(Project::settings), settings).await;
        add_project_faults(&mut faults, &found);
    }
    faults.or(request)
}

fn request(
    body: ProjectBody,
    present: Option<&Project>,
    projects: &Projects,
    faults: &mut Faults,
) -> Option<Request> {
    let base = present.map(Project::settings);
    let name = match (body.name, present) {
        (Some(name), Some(present)) if name != present.name => {
            faults.at("/name", "cannot be changed: create another project instead");
            present.name.clone()
        }
        (_, Some(present)) => present.name.clone(),
        (name, None) => {
            let name = name?;
            check_project_slug(name.as_str()).map_err(|error| faults.at("/name", error)).ok()?;
            name
        }
    };
    let default_workspace = || projects.default_workspace(&name);
    let workspace = match (workspace(body.workspace, base, faults), base) {
        (Setting::Value(workspace), _) => Ok(workspace),
        (Setting::Kept, Some(base)) => Ok(base.workspace.clone()),
        (Setting::Kept, None) | (Setting::Reset, _) => default_workspace(),
    };
    let workspace = workspace.map_err(|fault: ProjectFault| faults.at(fault.pointer(), &fault)).ok()?;
    let base = base.cloned().unwrap_or_else(|| ProjectSettings::new(workspace.clone()));
    let settings = ProjectSettings {
        description: setting(body.description).over(base.description),
        provider: setting(body.provider).over(base.provider),
        model: setting(body.model).over(base.model),
        workspace,
        limits: limits(body.limits).over(base.limits),
        permissions: setting(body.permissions).over_or(base.permissions, PermissionProfile::Edit),
        allowed_tools: setting(body.allowed_tools).map(elements).over_or(base.allowed_tools, Vec::new()),
        denied_tools: setting(body.denied_tools).map(elements).over_or(base.denied_tools, Vec::new()),
        secrets: setting(body.secrets).map(elements).over_or(base.secrets, Default::default()),
        environment: environment::merged(body.environment, base.environment),
        repository: setting(body.repository).over(base.repository),
        max_running: setting(body.max_running).over_or(base.max_running, 1),
        is_archived: setting(body.archived).over_or(base.is_archived, false),
    };
    Some(Request { name, settings })
}
