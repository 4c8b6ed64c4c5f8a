//! The agent of a test, with a model and folders of its own.

use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::sync::Arc;

use rdev_runner_claude_code::{ClaudeCodeAgent, ClaudeCodeSettings};
use rdev_runner_domain::ports::{CodeAgent, ExecBackend};
use rdev_runner_domain::{
    AgentEventKind, AgentResult, AgentRun, LimitSettings, PodWorkspace, RequestDraft, RunSecrets, Workspace,
};
use rdev_runner_exec_kubernetes::{KubernetesBackend, KubernetesSettings};
use rdev_runner_exec_local::{LocalBackend, LocalSettings, SupervisorCommand};
use rdev_runner_testkit::{Cluster, ClusterOptions, RecordingSink, draft, request};
use rdev_runner_tests::{PATIENCE, Scene, ScriptedModel, claude, eventually};
use rdev_webhooks_tests::binary;

use super::IS_IN_POD;

/// The agent of a test, with a model and folders of its own, and in a pod if the tests are of such.
pub(crate) struct Subject {
    /// Ends before its folder is removed.
    cluster: Option<Cluster>,
    pub(crate) scene: Scene,
    pub(crate) model: ScriptedModel,
}

impl Subject {
    pub(crate) async fn new() -> Self {
        let scene = Scene::new();
        // Every connection breaks within half a second.
        let options = ClusterOptions { is_secure: true, drop_seed: Some(5), ..ClusterOptions::default() };
        let cluster = IS_IN_POD.then(|| Cluster::start(&options, &scene.folder("cluster")));
        if let Some(cluster) = &cluster {
            cluster.install("agent", &binary("rdev-supervise"));
        }
        Self { cluster, scene, model: ScriptedModel::start().await }
    }

    /// Creates an agent, like a runner that starts.
    pub(crate) fn agent(&self) -> ClaudeCodeAgent {
        let local = LocalBackend::new(LocalSettings {
            root: self.scene.folder("root"),
            supervisor: SupervisorCommand { program: binary("rdev-supervise"), args: Vec::new() },
            path: "/usr/local/bin:/usr/bin:/bin".to_owned(),
            agent_home: None,
        });
        let mut backend: Arc<dyn ExecBackend> = Arc::new(local.unwrap());
        if let Some(cluster) = &self.cluster {
            let settings = KubernetesSettings {
                state: self.scene.folder("state"),
                kubeconfig: Some(cluster.kubeconfig()),
                supervisor: binary("rdev-supervise"),
                has_programs: false,
                patience: PATIENCE,
            };
            backend = Arc::new(KubernetesBackend::new(settings, backend).unwrap());
        }
        let program = claude().to_str().unwrap().to_owned();
        ClaudeCodeAgent::new(backend, ClaudeCodeSettings { program, ..ClaudeCodeSettings::default() })
    }

    /// Returns the folder of runs.
    fn runs(&self) -> PathBuf {
        self.scene.folder(if IS_IN_POD { "cluster/agent/.rdev/runs" } else { "root/runs" })
    }

    /// Returns the processes of runs.
    fn processes(&self) -> Vec<String> {
        let mut processes = self.scene.processes();
        // The cluster, and what serves in its pod.
        let is_of_place = |process: &String| process.contains("cluster.py") || process.contains(" serve ");
        processes.retain(|process| !(IS_IN_POD && is_of_place(process)));
        processes
    }

    pub(crate) fn run(&self, draft: RequestDraft) -> AgentRun {
        let path = self.scene.folder("workspace").to_str().unwrap().parse().unwrap();
        let workspace = if IS_IN_POD {
            Workspace::Kubernetes(PodWorkspace {
                namespace: "default".parse().unwrap(),
                selector: "app=agent".parse().unwrap(),
                container: "main".parse().unwrap(),
                path,
            })
        } else {
            Workspace::Local { path }
        };
        let mut secrets = RunSecrets::default();
        for (name, value) in
            [("ANTHROPIC_API_KEY", "test-key"), ("ANTHROPIC_BASE_URL", &self.model.messages_url())]
        {
            secrets.add_variable(name.parse().unwrap(), value.into());
        }
        AgentRun { request: request(draft), workspace, is_worktree: false, secrets }
    }

    /// Executes a request to its end, and checks that nothing of it is left.
    pub(crate) async fn execute(&self, draft: RequestDraft) -> (AgentResult, Vec<AgentEventKind>) {
        let sink = RecordingSink::default();
        let run = self.run(draft);
        let result = bounded(self.agent().execute(&run, &sink)).await;
        self.leaves_nothing(&run).await;
        (result, sink.events())
    }

    pub(crate) async fn play(
        &self,
        script: &str,
        limits: LimitSettings,
    ) -> (AgentResult, Vec<AgentEventKind>) {
        self.execute(RequestDraft { limits, ..script_of(1, script) }).await
    }

    /// Checks that a run that has ended has left no process, no socket and no temporary folder, and forgets it.
    pub(crate) async fn leaves_nothing(&self, run: &AgentRun) {
        // The supervisor itself exits a moment after it has written down the end.
        eventually("the end of all processes", || self.processes().is_empty().then_some(())).await;
        let folder = self.runs().join(run.command_id().to_string());
        assert!(folder.is_dir() && !folder.join("tmp").exists());
        let is_socket = |path: &PathBuf| path.metadata().is_ok_and(|file| file.file_type().is_socket());
        let sockets: Vec<_> = self.scene.files("").into_iter().filter(is_socket).collect();
        assert!(sockets.is_empty(), "{sockets:?}");
        self.agent().forget(run.command_id()).await;
        assert!(!folder.exists());
    }
}

/// Returns the request of a script that may use every tool.
pub(crate) fn script_of(n: u8, script: &str) -> RequestDraft {
    RequestDraft { allowed_tools: vec!["Bash".parse().unwrap()], ..draft(n, script) }
}

pub(crate) async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(2 * PATIENCE, future).await.expect("it happens in time")
}
