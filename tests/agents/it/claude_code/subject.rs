//! The agent of a test, with a model and folders of its own.

use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use rdev_runner_claude_code::{ClaudeCodeAgent, ClaudeCodeSettings};
use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{AgentEventKind, AgentResult, AgentRun, LimitSettings, RequestDraft, RunSecrets};
use rdev_runner_testkit::{RecordingSink, draft, request};
use rdev_runner_tests::{PATIENCE, Scene, ScriptedModel, claude, eventually};

use super::IS_IN_POD;
use crate::place::Place;

/// The agent of a test, with a model and folders of its own, and in a pod if the tests are of such.
pub(crate) struct Subject {
    /// Ends before its folder is removed.
    place: Place,
    pub(crate) scene: Scene,
    pub(crate) model: ScriptedModel,
}

impl Subject {
    pub(crate) async fn new() -> Self {
        let scene = Scene::new();
        Self { place: Place::new(&scene, IS_IN_POD), scene, model: ScriptedModel::start().await }
    }

    /// Creates an agent, like a runner that starts.
    pub(crate) fn agent(&self) -> ClaudeCodeAgent {
        let program = claude().to_str().unwrap().to_owned();
        let settings = ClaudeCodeSettings { program, ..ClaudeCodeSettings::default() };
        ClaudeCodeAgent::new(self.place.backend(&self.scene, None), settings)
    }

    pub(crate) fn run(&self, draft: RequestDraft) -> AgentRun {
        let mut secrets = RunSecrets::default();
        for (name, value) in
            [("ANTHROPIC_API_KEY", "test-key"), ("ANTHROPIC_BASE_URL", &self.model.messages_url())]
        {
            secrets.add_variable(name.parse().unwrap(), value.into());
        }
        let workspace = self.place.workspace(&self.scene);
        AgentRun { request: request(draft), workspace, is_worktree: false, secrets }
    }

    /// Executes a request to its end, and checks that nothing of it is left.
    pub(crate) async fn execute(&self, draft: RequestDraft) -> (AgentResult, Vec<AgentEventKind>) {
        let sink = RecordingSink::default();
        let run = self.run(draft);
        let result = bounded(self.agent().execute(&run, &sink)).await;
        assert!(self.folder(&run).is_dir());
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

    fn folder(&self, run: &AgentRun) -> PathBuf {
        self.scene.folder(self.place.runs()).join(run.command_id().to_string())
    }

    /// Checks that a run that has ended has left no process, no socket and no temporary folder, and forgets it.
    pub(crate) async fn leaves_nothing(&self, run: &AgentRun) {
        // The supervisor itself exits a moment after it has written down the end.
        let processes = || self.place.processes(&self.scene);
        eventually("the end of all processes", async || processes().is_empty().then_some(())).await;
        // It is gone already if the run was cancelled before it began.
        let folder = self.folder(run);
        assert!(!folder.join("tmp").exists());
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
