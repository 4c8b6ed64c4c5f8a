//! Requests and the settings of projects.

use std::collections::BTreeSet;
use std::time::Duration;

use rdev_runner_domain::{
    AgentProvider, AgentRequest, Capabilities, CommandId, Environment, KubernetesName, LabelSelector,
    LimitSettings, ModelName, PermissionProfile, PodWorkspace, ProjectDescription, ProjectName,
    ProjectSettings, RepositoryName, RequestDraft, SecretName, Session, SessionRef, ToolRule, Workspace,
    WorkspacePath,
};
use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::fields::{optional_text, permissions, stored_selector, text, text_map, text_set, texts};

#[derive(Serialize, Deserialize)]
#[serde(remote = "LimitSettings")]
struct Limits {
    wall: Option<Duration>,
    idle: Option<Duration>,
    tool_idle: Option<Duration>,
    start: Option<Duration>,
    max_turns: Option<u32>,
    // A text: a JSON number need not be read as the number that was written.
    #[serde(with = "optional_text")]
    max_budget_usd: Option<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Session", rename_all = "snake_case")]
enum SessionForm {
    New,
    Resume(#[serde(with = "text")] SessionRef),
    Fork(#[serde(with = "text")] SessionRef),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "RequestDraft")]
struct Request {
    #[serde(with = "text")]
    command_id: CommandId,
    #[serde(with = "text")]
    project: ProjectName,
    #[serde(with = "text")]
    provider: AgentProvider,
    prompt: String,
    #[serde(with = "SessionForm")]
    session: Session,
    #[serde(with = "optional_text")]
    model: Option<ModelName>,
    #[serde(with = "permissions")]
    permissions: PermissionProfile,
    #[serde(with = "texts")]
    allowed_tools: Vec<ToolRule>,
    #[serde(with = "texts")]
    denied_tools: Vec<ToolRule>,
    #[serde(with = "Limits")]
    limits: LimitSettings,
    #[serde(with = "text_set")]
    secrets: BTreeSet<SecretName>,
    #[serde(with = "text_map", default)]
    environment: Environment,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum WorkspaceForm {
    Local {
        #[serde(with = "text")]
        path: WorkspacePath,
    },
    Kubernetes {
        #[serde(with = "text")]
        namespace: KubernetesName,
        #[serde(with = "stored_selector")]
        selector: LabelSelector,
        #[serde(with = "text")]
        container: KubernetesName,
        #[serde(with = "text")]
        path: WorkspacePath,
    },
}

#[derive(Serialize, Deserialize)]
struct Settings {
    #[serde(with = "optional_text", default)]
    description: Option<ProjectDescription>,
    #[serde(with = "optional_text")]
    provider: Option<AgentProvider>,
    #[serde(with = "optional_text", default)]
    model: Option<ModelName>,
    workspace: WorkspaceForm,
    #[serde(with = "Limits")]
    limits: LimitSettings,
    #[serde(with = "permissions")]
    permissions: PermissionProfile,
    #[serde(with = "texts")]
    allowed_tools: Vec<ToolRule>,
    #[serde(with = "texts")]
    denied_tools: Vec<ToolRule>,
    #[serde(with = "text_set")]
    secrets: BTreeSet<SecretName>,
    #[serde(with = "text_map", default)]
    environment: Environment,
    #[serde(with = "optional_text", default)]
    repository: Option<RepositoryName>,
    max_running: u32,
    #[serde(default)]
    is_archived: bool,
}

/// Writes a request.
///
/// # Errors
///
/// Never fails for a value of the domain.
pub fn request_to_json(request: &AgentRequest) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Form<'a>(#[serde(with = "Request")] &'a RequestDraft);
    serde_json::to_string(&Form(request.draft()))
}

/// Reads a request, which was checked before it was written.
///
/// # Errors
///
/// Fails if the text is not what [`request_to_json`] writes.
pub fn request_from_json(json: &str) -> Result<AgentRequest, Error> {
    let draft = Request::deserialize(&mut serde_json::Deserializer::from_str(json))?;
    AgentRequest::new(draft, Capabilities::ALL).map_err(|faults| Error::custom(format_args!("{faults:?}")))
}

/// Writes the settings of a project.
///
/// # Errors
///
/// Fails for a kind of workspace that has no form yet.
pub fn settings_to_json(settings: &ProjectSettings) -> Result<String, Error> {
    let ProjectSettings {
        description,
        provider,
        model,
        workspace,
        limits,
        permissions,
        allowed_tools,
        denied_tools,
        secrets,
        environment,
        repository,
        max_running,
        is_archived,
    } = settings.clone();
    let workspace = match workspace {
        Workspace::Local { path } => WorkspaceForm::Local { path },
        Workspace::Kubernetes(PodWorkspace { namespace, selector, container, path }) => {
            WorkspaceForm::Kubernetes { namespace, selector, container, path }
        }
        other => return Err(Error::custom(format_args!("no form of {other:?}"))),
    };
    serde_json::to_string(&Settings {
        description,
        provider,
        model,
        workspace,
        limits,
        permissions,
        allowed_tools,
        denied_tools,
        secrets,
        environment,
        repository,
        max_running,
        is_archived,
    })
}

/// Reads the settings of a project.
///
/// # Errors
///
/// Fails if the text is not what [`settings_to_json`] writes.
pub fn settings_from_json(json: &str) -> Result<ProjectSettings, Error> {
    let Settings {
        description,
        provider,
        model,
        workspace,
        limits,
        permissions,
        allowed_tools,
        denied_tools,
        secrets,
        environment,
        repository,
        max_running,
        is_archived,
    } = serde_json::from_str(json)?;
    let workspace = match workspace {
        WorkspaceForm::Local { path } => Workspace::Local { path },
        WorkspaceForm::Kubernetes { namespace, selector, container, path } => {
            Workspace::Kubernetes(PodWorkspace { namespace, selector, container, path })
        }
    };
    Ok(ProjectSettings {
        description,
        provider,
        model,
        workspace,
        limits,
        permissions,
        allowed_tools,
        denied_tools,
        secrets,
        environment,
        repository,
        max_running,
        is_archived,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_in_a_pod_is_read_as_it_was_written() {
        let settings = ProjectSettings::new(Workspace::Kubernetes(PodWorkspace {
            namespace: "agents".parse().unwrap(),
            selector: "app=my-project,tier in (dev)".parse().unwrap(),
            container: "agent".parse().unwrap(),
            path: "/home/agent/workspace".parse().unwrap(),
        }));
        let json = settings_to_json(&settings).unwrap();
        let workspace = r#""workspace":{"kind":"kubernetes","namespace":"agents","selector":"app=my-project,tier in (dev)","container":"agent","path":"/home/agent/workspace"}"#;
        assert!(json.contains(workspace), "{json}");
        assert_eq!(settings_from_json(&json).unwrap(), settings);
        // Earlier versions did not check the grammar of selectors.
        let wrong = json.replace("tier in (dev)", "tier in (dev");
        assert_eq!(settings_to_json(&settings_from_json(&wrong).unwrap()).unwrap(), wrong);
    }
}
