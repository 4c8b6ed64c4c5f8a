//! A project as the API shows it.

use std::collections::BTreeMap;

use http::HeaderValue;
use rdev_http::{Text, tag};
use rdev_runner_domain::{
    AgentProvider, Environment, KubernetesName, LabelSelector, ModelName, Project, ProjectDescription,
    ProjectName, RepositoryName, SecretName, Timestamp, ToolRule, Workspace, WorkspacePath,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::LimitsView;
use crate::schema_types as types;

/// A project. Its commands have its settings where they name none of their own.
#[derive(Serialize, ToSchema)]
#[schema(as = Project)]
pub(crate) struct ProjectView<'a> {
    #[schema(value_type = types::ProjectName)]
    name: Text<&'a ProjectName>,
    /// What the project is, for people.
    #[schema(value_type = Option<types::ProjectDescription>, required)]
    description: Option<Text<&'a ProjectDescription>>,
    /// The provider of its commands; `null` for the default provider.
    #[schema(value_type = Option<types::AgentProvider>, required)]
    provider: Option<Text<&'a AgentProvider>>,
    /// The model of its commands; `null` for the agent's default.
    #[schema(value_type = Option<types::ModelName>, required)]
    model: Option<Text<&'a ModelName>>,
    workspace: WorkspaceView<'a>,
    limits: LimitsView,
    #[schema(value_type = types::PermissionProfile)]
    permissions: &'static str,
    /// The tools that the agent may use in addition to those of the permission profile.
    #[schema(value_type = Vec<types::ToolRule>)]
    allowed_tools: Vec<Text<&'a ToolRule>>,
    /// The tools that the agent may not use.
    #[schema(value_type = Vec<types::ToolRule>)]
    denied_tools: Vec<Text<&'a ToolRule>>,
    /// The secrets that the agent finds in its environment.
    #[schema(value_type = Vec<types::SecretName>)]
    secrets: Vec<Text<&'a SecretName>>,
    /// Further variables of the agent's environment, which are no secrets.
    #[schema(value_type = BTreeMap<types::EnvironmentName, types::EnvironmentValue>)]
    environment: BTreeMap<&'a str, &'a str>,
    /// The repository of its pipelines in the CI server; `null` without one.
    #[schema(value_type = Option<types::RepositoryName>, required)]
    repository: Option<Text<&'a RepositoryName>>,
    /// The number of commands that may run at once.
    max_running: u32,
    /// Whether it takes no commands.
    archived: bool,
    /// Whether it is being deleted: it takes no commands, and is gone once those that run have ended.
    deleting: bool,
    #[schema(value_type = types::Timestamp)]
    created_at: Text<Timestamp>,
    #[schema(value_type = types::Timestamp)]
    updated_at: Text<Timestamp>,
    #[serde(skip)]
    version: u64,
}

/// The place in which the agent works.
#[derive(Serialize, ToSchema)]
#[schema(as = Workspace)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum WorkspaceView<'a> {
    /// A folder of the runner's host.
    Local {
        #[schema(value_type = types::WorkspacePath)]
        path: Text<&'a WorkspacePath>,
    },
    /// A folder in a pod of a Kubernetes cluster.
    Kubernetes {
        #[schema(value_type = types::KubernetesName)]
        namespace: Text<&'a KubernetesName>,
        #[schema(value_type = types::LabelSelector)]
        selector: Text<&'a LabelSelector>,
        #[schema(value_type = types::KubernetesName)]
        container: Text<&'a KubernetesName>,
        #[schema(value_type = types::WorkspacePath)]
        path: Text<&'a WorkspacePath>,
    },
    /// A kind that this version does not know.
    Other,
}

/// Returns environment variables as the API shows them.
pub(crate) fn environment(variables: &Environment) -> BTreeMap<&str, &str> {
    variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

impl ProjectView<'_> {
    pub(crate) fn etag(&self) -> HeaderValue {
        tag::of_version(self.version, &[])
    }
}

impl<'a> From<&'a Project> for ProjectView<'a> {
    fn from(project: &'a Project) -> Self {
        let settings = project.settings();
        Self {
            name: Text(&project.name),
            description: settings.description.as_ref().map(Text),
            provider: settings.provider.as_ref().map(Text),
            model: settings.model.as_ref().map(Text),
            workspace: match &settings.workspace {
                Workspace::Local { path } => WorkspaceView::Local { path: Text(path) },
                Workspace::Kubernetes(pod) => WorkspaceView::Kubernetes {
                    namespace: Text(&pod.namespace),
                    selector: Text(&pod.selector),
                    container: Text(&pod.container),
                    path: Text(&pod.path),
                },
                _ => WorkspaceView::Other,
            },
            limits: LimitsView::from(&settings.limits),
            permissions: settings.permissions.as_str(),
            allowed_tools: settings.allowed_tools.iter().map(Text).collect(),
            denied_tools: settings.denied_tools.iter().map(Text).collect(),
            secrets: settings.secrets.iter().map(Text).collect(),
            environment: environment(&settings.environment),
            repository: settings.repository.as_ref().map(Text),
            max_running: settings.max_running,
            archived: settings.is_archived,
            deleting: project.is_deleting,
            created_at: Text(project.created_at),
            updated_at: Text(project.updated_at),
            version: project.version,
        }
    }
}
