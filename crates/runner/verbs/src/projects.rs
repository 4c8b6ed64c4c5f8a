//! `projects`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use rdev_cli::body::Body;
use rdev_cli::table::Column;
use rdev_cli::{Failure, ListArgs, Outcome, Session};
use rdev_runner_client::{Client, NewPod, NewWorkspace, ProjectFilter, ProjectPatch};

use crate::settings::{LimitArgs, RightsArgs};
use crate::woodpecker::{self, WoodpeckerVerb};

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("PROVIDER", "provider"),
    ("WORKSPACE", "workspace.path"),
    ("PERMISSIONS", "permissions"),
    ("AT ONCE", "max_running"),
    ("CREATED", "created_at"),
];

#[derive(Debug, Subcommand)]
pub enum ProjectsVerb {
    /// List the projects by name
    List {
        /// Only archived projects (true), or only the others (false)
        #[arg(long, value_name = "BOOL")]
        archived: Option<bool>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show a project
    Show {
        /// Name of the project
        #[arg(value_name = "PROJECT")]
        name: String,
    },
    /// Create a project
    Create(Box<CreateProjectArgs>),
    /// Change a project; commands that are queued already keep their settings
    #[command(visible_alias = "set")]
    Update(Box<UpdateProjectArgs>),
    /// Show what became of the commands of a project: counts, durations, tokens and cost
    Stats {
        /// Name of the project
        #[arg(value_name = "PROJECT")]
        name: String,
        /// How far to look back: 30m, 24h, 7d [default: 30d]
        #[arg(long, value_name = "WINDOW")]
        window: Option<String>,
    },
    /// The repository of a project in Woodpecker: activate it, set its secrets, trigger pipelines
    #[command(subcommand)]
    Woodpecker(WoodpeckerVerb),
    /// Archive projects: they take no commands, and those that are queued still run
    Archive(NamesArgs),
    /// Let archived projects take commands again
    Unarchive(NamesArgs),
    /// Delete projects; their ended commands and their folders are kept
    Delete {
        #[command(flatten)]
        projects: NamesArgs,
        /// Cancel the commands that have not ended, and delete the projects once they have
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
pub struct NamesArgs {
    /// Names of the projects
    #[arg(value_name = "PROJECT", required = true)]
    names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct CreateProjectArgs {
    /// Name of the project [default: that of --data]
    #[arg(value_name = "PROJECT")]
    name: Option<String>,
    #[command(flatten)]
    settings: ProjectSettingsArgs,
}

#[derive(Debug, Args)]
pub struct UpdateProjectArgs {
    /// Name of the project
    #[arg(value_name = "PROJECT")]
    name: String,
    #[command(flatten)]
    settings: ProjectSettingsArgs,
    /// Reset a setting to its default, such as provider, limits.wall_ms or environment.NAME
    #[arg(long, value_name = "MEMBER")]
    unset: Vec<String>,
}

// The pod in which the folder of --path is.
#[derive(Debug, Args)]
struct PodArgs {
    /// Namespace of the pod in which the agent works, for the administrator: --path is a folder there
    #[arg(long, value_name = "NAMESPACE", requires_all = ["pod_selector", "pod_container", "path"])]
    pod_namespace: Option<String>,
    /// Labels of that pod, such as app=my-project
    #[arg(long, value_name = "SELECTOR", requires = "pod_namespace")]
    pod_selector: Option<String>,
    /// Container of that pod
    #[arg(long, value_name = "CONTAINER", requires = "pod_namespace")]
    pod_container: Option<String>,
}

impl PodArgs {
    fn pod(&self) -> Option<NewPod> {
        Some(NewPod {
            namespace: self.pod_namespace.clone()?,
            selector: self.pod_selector.clone()?,
            container: self.pod_container.clone()?,
        })
    }
}

// The settings of a project.
#[derive(Debug, Args)]
struct ProjectSettingsArgs {
    /// What the project is
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Agent of its commands, as `providers` lists them [default: the default agent]
    #[arg(long, value_name = "PROVIDER")]
    provider: Option<String>,
    /// Model of its commands [default: the agent's own]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Folder in which the agent works [default: a new one below the server's root of workspaces]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    #[command(flatten)]
    pod: PodArgs,
    #[command(flatten)]
    rights: RightsArgs,
    /// Variable of the agent's environment, no secret; repeatable
    #[arg(long = "env", value_name = "NAME=VALUE")]
    environment: Vec<String>,
    /// Repository of its pipelines, such as acme/billing
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<String>,
    /// Number of commands that may run at once
    #[arg(long, value_name = "N")]
    max_running: Option<u32>,
    /// Body as in the API, to which the other options add: @FILE, - for standard input, or a JSON object
    #[arg(long, value_name = "BODY")]
    data: Option<String>,
    #[command(flatten)]
    limits: LimitArgs,
}

pub(crate) async fn run(session: Session, verb: ProjectsVerb) -> Outcome {
    let client: Client = session.client()?;
    match verb {
        ProjectsVerb::List { archived, list } => {
            let filter = ProjectFilter { archived };
            session.list(&list, COLUMNS, async |page| client.list_projects(filter, &page).await).await
        }
        ProjectsVerb::Show { name } => session.show(client.get_project(&name).await),
        ProjectsVerb::Create(args) => {
            let mut body = body(&args.settings)?;
            body.set_given(&["name"], args.name.as_ref())?;
            session.show(client.create_project(&body).await)
        }
        ProjectsVerb::Update(args) => {
            let mut body = body(&args.settings)?;
            body.unset(&args.unset)?;
            if body.is_empty() {
                return Err(Failure::usage("there is nothing to change"));
            }
            session.show(client.update_project(&args.name, &body, None).await)
        }
        ProjectsVerb::Woodpecker(verb) => woodpecker::run(&session, &client, verb).await,
        ProjectsVerb::Stats { name, window } => {
            session.show(client.get_project_statistics(&name, window.as_deref()).await)
        }
        ProjectsVerb::Archive(NamesArgs { names }) => archive(&session, &client, &names, true).await,
        ProjectsVerb::Unarchive(NamesArgs { names }) => archive(&session, &client, &names, false).await,
        ProjectsVerb::Delete { projects: NamesArgs { names }, force: false } => {
            session.delete_each(&names, async |name| client.delete_project(name, None).await).await
        }
        ProjectsVerb::Delete { projects: NamesArgs { names }, force: true } => {
            session.delete_each(&names, async |name| client.force_delete_project(name, None).await).await
        }
    }
}

async fn archive(session: &Session, client: &Client, names: &[String], is_archived: bool) -> Outcome {
    let patch = ProjectPatch { archived: Some(Some(is_archived)), ..ProjectPatch::default() };
    session.show_each(names, COLUMNS, async |name| client.update_project(name, &patch, None).await).await
}

fn body(settings: &ProjectSettingsArgs) -> Outcome<Body> {
    let mut body = Body::new(settings.data.as_deref())?;
    body.set_given(&["description"], settings.description.as_ref())?;
    body.set_given(&["provider"], settings.provider.as_ref())?;
    body.set_given(&["model"], settings.model.as_ref())?;
    if let Some(path) = &settings.path {
        let workspace = match settings.pod.pod() {
            // A folder of another machine.
            Some(pod) => NewWorkspace::in_pod(text_of(path)?, pod),
            None => NewWorkspace::local(absolute(path)?),
        };
        body.set(&["workspace"], &workspace)?;
    }
    body.set_given(&["permissions"], settings.rights.permissions.as_ref())?;
    body.set_list("allowed_tools", &settings.rights.allow)?;
    body.set_list("denied_tools", &settings.rights.deny)?;
    body.set_list("secrets", &settings.rights.secret)?;
    for variable in &settings.environment {
        let Some((name, value)) = variable.split_once('=') else {
            return Err(Failure::usage(format!("--env {variable} is not NAME=VALUE")));
        };
        body.set(&["environment", name], value)?;
    }
    body.set_given(&["repository"], settings.repository.as_ref())?;
    body.set_given(&["max_running"], settings.max_running.as_ref())?;
    let limits = settings.limits.limits();
    for (name, limit) in [
        ("wall_ms", limits.wall_ms),
        ("idle_ms", limits.idle_ms),
        ("tool_idle_ms", limits.tool_idle_ms),
        ("start_ms", limits.start_ms),
    ] {
        body.set_given(&["limits", name], limit.as_ref())?;
    }
    body.set_given(&["limits", "max_turns"], limits.max_turns.as_ref())?;
    body.set_given(&["limits", "max_budget_usd"], limits.max_budget_usd.as_ref())?;
    Ok(body)
}

/// Returns a path as the service needs it: absolute, and as text.
pub(crate) fn absolute(path: &Path) -> Outcome<String> {
    let shown = path.display();
    let absolute = std::path::absolute(path);
    let absolute = absolute.map_err(|error| Failure::usage(format!("{shown} is not a folder: {error}")))?;
    text_of(&absolute)
}

fn text_of(path: &Path) -> Outcome<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::usage(format!("the name of the folder {} is not UTF-8", path.display())))
}
