//! The parts of a server, put together.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use rdev_runner_app::{
    AgentRegistry, Commands, CredentialSecrets, Credentials, EnvironmentSecrets, Pipelines, Projects,
    Providers, Runner, RunnerHost, RunnerOptions, RunnerPorts, Services, Templates, WatchTask, Watches,
    Workspaces,
};
use rdev_runner_domain::QueueLimits;
use rdev_runner_domain::ports::{CiServer, SecretSource, VersionControl};
use rdev_runner_exec_local::LocalGit;
use rdev_runner_templates::Catalogue;
use rdev_webhooks::console::Pages;
use rdev_webhooks::http_api::{ApiOptions, MetricsSource, Router};
use rdev_webhooks::{Ambient, RdevWebhooks};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::agents::Agents;
use crate::options::{LimitArgs, RunnerArgs, TemplateArgs, WorkspaceArgs};
use crate::store::Store;

/// Returns the rules for local workspaces.
///
/// # Errors
///
/// Fails if the root cannot be created or read.
pub(crate) fn workspaces(options: WorkspaceArgs, data_dir: &Path) -> Result<Arc<Workspaces>, Box<dyn Error>> {
    let root = options.workspace_root.unwrap_or_else(|| data_dir.join("workspaces"));
    let workspaces = Workspaces::open(&root).and_then(|workspaces| workspaces.with_data_dir(data_dir));
    let workspaces =
        workspaces.map_err(|error| format!("cannot use {} (--workspace-root): {error}", root.display()))?;
    Ok(Arc::new(workspaces))
}

/// Returns the secrets that commands may name, as far as a process without a runner knows them.
pub(crate) fn secrets(store: &Store, ambient: &Ambient) -> Arc<dyn SecretSource> {
    Arc::new(CredentialSecrets::new(Arc::clone(&store.credentials), Arc::clone(&ambient.clock)))
}

/// Returns the secrets that commands may name.
pub(crate) fn runner_secrets(
    store: &Store,
    ambient: &Ambient,
    options: &RunnerArgs,
) -> Arc<dyn SecretSource> {
    let environment = EnvironmentSecrets::new(options.secret_env.iter().cloned());
    let (credentials, clock) = (Arc::clone(&store.credentials), Arc::clone(&ambient.clock));
    Arc::new(CredentialSecrets::new(credentials, clock).with_environment(environment))
}

/// What a server shows to its callers.
pub(crate) struct Front {
    /// The API: that of the webhooks, and that of the runner at its side.
    pub(crate) router: Router,
    /// The pages of the runner for the console.
    pub(crate) pages: Pages,
    /// The task that must run for both.
    pub(crate) watching: WatchTask,
}

/// Puts what a server shows together.
pub(crate) fn front(
    system: &RdevWebhooks,
    store: &Store,
    agents: &Agents,
    (workspaces, templates, ci): (&Arc<Workspaces>, &TemplateArgs, Option<Arc<dyn CiServer>>),
    secrets: Arc<dyn SecretSource>,
    limits: &LimitArgs,
    (api_key, metrics): (SecretString, MetricsSource),
) -> Front {
    let commands = Commands::new(
        Arc::clone(&store.commands),
        Arc::clone(&store.queue),
        Arc::clone(&store.projects),
        Arc::clone(&agents.registry),
        queue_limits(&agents.registry, limits),
        system.ambient().clone(),
    );
    let catalogue = match &templates.templates {
        Some(folder) => Catalogue::shipped().with_folder(folder.clone()),
        None => Catalogue::shipped(),
    };
    let (watches, watching) = Watches::new(Arc::clone(&store.commands), &*store.signals);
    let services = Services {
        projects: Projects::new(
            Arc::clone(&store.projects),
            Arc::clone(&store.commands),
            Arc::clone(&agents.registry),
            Arc::clone(workspaces),
            system.ambient().clone(),
        ),
        commands: commands.with_secrets(secrets),
        credentials: Credentials::new(Arc::clone(&store.credentials), system.ambient().clone()),
        pipelines: Pipelines::new(
            Arc::clone(&store.projects),
            Arc::clone(&store.credentials),
            Arc::clone(&store.pipelines),
            system.ambient().clone(),
        )
        .with_server(ci),
        providers: Providers::new(Arc::clone(&agents.registry)),
        templates: Templates::new(Arc::new(catalogue), agents.files(), Arc::clone(&store.projects)),
        watches,
        api_keys: system.api_keys().clone(),
        idempotency: system.idempotency().clone(),
        outages: system.outages().clone(),
    };
    let entropy = Arc::clone(&system.ambient().entropy);
    let pages = rdev_runner_console::pages(services.clone());
    let runner =
        rdev_runner_api::router(services, entropy, rdev_runner_api::ApiOptions::new(api_key.clone()));
    let webhooks: Router = system.router(
        ApiOptions::new(api_key).with_metrics(metrics).with_description(rdev_runner_api::description()),
    );
    let watching = watching.with_outages(system.outages().clone());
    Front { router: webhooks.merge(runner), pages, watching }
}

fn queue_limits(agents: &AgentRegistry, limits: &LimitArgs) -> QueueLimits {
    let providers = agents.agents();
    let providers = providers.iter().map(|agent| (agent.provider().clone(), limits.max_running)).collect();
    QueueLimits { max_running: limits.max_running, providers }
}

/// Returns the runner of this host, which is the only one with this folder.
pub(crate) async fn runner(
    system: &RdevWebhooks,
    store: &Store,
    agents: &Agents,
    (workspaces, ci): (Arc<Workspaces>, Option<Arc<dyn CiServer>>),
    data_dir: &Path,
    limits: &LimitArgs,
    options: &RunnerArgs,
) -> Result<Runner, Box<dyn Error>> {
    let folder = data_dir.join("agents");
    let host = RunnerHost::exclusive(&folder, &*system.ambient().entropy).await?;
    let version_control = LocalGit::open(&folder, data_dir, std::env::var("PATH").unwrap_or_default())?;
    let has_runs = agents.has_runs().await? || !version_control.worktrees().await.is_empty();
    RunnerHost::bind(&folder, &store.commands.database_id().await?, has_runs)?;
    let ports = RunnerPorts {
        queue: Arc::clone(&store.queue),
        commands: Arc::clone(&store.commands),
        projects: Arc::clone(&store.projects),
        signals: Arc::clone(&store.signals),
        credentials: Arc::clone(&store.credentials),
        pipelines: Arc::clone(&store.pipelines),
        ci,
        secrets: runner_secrets(store, system.ambient(), options),
        workspaces: Some(workspaces),
        version_control: Some(agents.version_control(Arc::new(version_control))),
    };
    let (cluster, other_cluster_id) = agents.cluster().await;
    let options = RunnerOptions::new(host)
        .with_max_running(limits.max_running)
        .with_lost_after(options.lost_after)
        .with_retention(options.command_retention)
        .with_cluster(cluster)
        .with_other_cluster_id(other_cluster_id);
    let registry = Arc::clone(&agents.registry);
    Ok(Runner::new(ports, registry, system.ambient().clone(), options, system.outages().clone()))
}

/// Runs a runner and its agents until `drain`.
pub(crate) async fn run(runner: Runner, agents: Agents, drain: CancellationToken) {
    runner.run(drain).await;
    agents.close().await;
}
