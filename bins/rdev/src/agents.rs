//! The agents of this host.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rdev_runner_app::{AgentRegistry, DemoAgent, Workspaces};
use rdev_runner_claude_code::{ClaudeCodeAgent, ClaudeCodeSettings};
use rdev_runner_domain::ports::{ExecBackend, ExecError, PodRepository, VersionControl, WorkspaceFiles};
use rdev_runner_domain::{AgentProvider, ClusterId};
use rdev_runner_exec_kubernetes::{KubernetesBackend, KubernetesSettings, PodFiles, PodVersionControl};
use rdev_runner_exec_local::{LocalBackend, LocalSettings, SupervisorCommand, runs_as_root};
use rdev_runner_files::LocalFiles;
use rdev_runner_opencode::{DEFAULT_KEEP_IDLE, OpenCodeAgent, OpenCodeSettings};
use rdev_webhooks::Ambient;

use crate::options::{AgentArgs, PodArgs};

/// The name of the agent that needs no installation.
const DEMO: &str = "demo";

/// How long an operation tries to reach a pod again. An agent's run survives longer: it tries further operations.
const POD_PATIENCE: Duration = Duration::from_secs(30);

/// How long a pod is tried to be reached for a template. Someone waits for that.
const FILES_PATIENCE: Duration = Duration::from_secs(10);

/// The agents of this host.
pub(crate) struct Agents {
    pub(crate) registry: Arc<AgentRegistry>,
    local: Arc<LocalBackend>,
    pods: Arc<KubernetesBackend>,
    cluster_name: Option<ClusterId>,
    opencode: Arc<OpenCodeAgent>,
    files: Arc<dyn WorkspaceFiles>,
}

impl Agents {
    /// Registers the agents, Claude Code as the default. Their homes and runs are in `folder`, and `lost_after` is how
    /// long a run in a pod is looked for that an earlier runner has begun.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be used.
    pub(crate) fn new(
        options: &AgentArgs,
        folder: &Path,
        workspaces: &Workspaces,
        (pods, lost_after): (Arc<dyn PodRepository>, Duration),
        ambient: &Ambient,
    ) -> Result<Self, Box<dyn Error>> {
        let local = LocalBackend::new(LocalSettings {
            root: folder.to_owned(),
            supervisor: SupervisorCommand {
                // Also once an upgrade has replaced the file.
                program: "/proc/self/exe".into(),
                args: vec!["supervise".to_owned()],
            },
            path: std::env::var("PATH").unwrap_or_default(),
            agent_home: options.agent_home.clone(),
        })?;
        let local = Arc::new(local);
        let settings = pod_settings(&options.pods, lost_after)?;
        let pods = Arc::new(KubernetesBackend::new(settings, Arc::<LocalBackend>::clone(&local), pods));
        let backend: Arc<dyn ExecBackend> = Arc::<KubernetesBackend>::clone(&pods);
        let claude = ClaudeCodeSettings {
            program: options.claude_path.clone(),
            runs_as_root: runs_as_root(),
            is_sandboxed: options.sandboxed,
        };
        let opencode = OpenCodeSettings {
            program: options.opencode_path.clone(),
            state: folder.join("opencode"),
            keep_idle: DEFAULT_KEEP_IDLE,
        };
        let (clock, entropy) = (Arc::clone(&ambient.clock), Arc::clone(&ambient.entropy));
        let opencode = Arc::new(OpenCodeAgent::new(Arc::clone(&backend), opencode, clock, entropy));
        let registry = AgentRegistry::new();
        registry.register(Arc::new(ClaudeCodeAgent::new(Arc::clone(&backend), claude)))?;
        registry.register(Arc::<OpenCodeAgent>::clone(&opencode))?;
        let beside = Arc::new(LocalFiles::new(workspaces.root().to_owned()));
        let files: Arc<dyn WorkspaceFiles> =
            Arc::new(PodFiles::new(Arc::clone(&pods), beside, FILES_PATIENCE));
        let demo = DemoAgent::new(DEMO.parse::<AgentProvider>()?).with_files(Arc::clone(&files));
        registry.register(Arc::new(demo))?;
        let cluster_name = options.pods.cluster_name.clone();
        Ok(Self { registry: Arc::new(registry), local, pods, cluster_name, opencode, files })
    }

    /// Returns whether an agent on this host, or a server of one, is left of an earlier process.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be read.
    pub(crate) async fn has_runs(&self) -> Result<bool, ExecError> {
        Ok(!self.local.runs().await?.is_empty())
    }

    /// Returns the cluster whose pods may have runs, and another identity of it: runners without a name for it have recorded
    /// that, before an upgrade perhaps.
    pub(crate) async fn cluster(&self) -> (Option<ClusterId>, Option<ClusterId>) {
        match (self.pods.cluster_id().await, &self.cluster_name) {
            (Some(id), Some(name)) => (Some(name.clone()), Some(id)),
            (id, _) => (id, None),
        }
    }

    /// Returns the version control of workspaces in pods, and beside it that of other workspaces.
    pub(crate) fn version_control(&self, beside: Arc<dyn VersionControl>) -> Arc<dyn VersionControl> {
        Arc::new(PodVersionControl::new(Arc::clone(&self.pods), beside))
    }

    /// Returns the files of workspaces, on this host and in pods.
    pub(crate) fn files(&self) -> Arc<dyn WorkspaceFiles> {
        Arc::clone(&self.files)
    }

    /// Stops what no run needs. Runs go on.
    pub(crate) async fn close(&self) {
        self.opencode.close().await;
    }
}

fn pod_settings(options: &PodArgs, lost_after: Duration) -> Result<KubernetesSettings, Box<dyn Error>> {
    let supervisor = match &options.pod_supervisor {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("rdev-supervise"),
    };
    Ok(KubernetesSettings {
        kubeconfig: options.kubeconfig.clone(),
        supervisor,
        has_programs: options.agents_in_pods,
        patience: POD_PATIENCE,
        takeover_patience: lost_after,
    })
}
