//! The agent, with a stand-in for its program.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::stat::Mode;
use rdev_runner_claude_code::{ClaudeCodeAgent, ClaudeCodeSettings};
use rdev_runner_domain::ports::{CodeAgent, ExecBackend};
use rdev_runner_domain::{AgentResult, AgentRun, LimitSettings, RequestDraft, RunSecrets};
use rdev_runner_testkit::exec::ExecHarness;
use rdev_runner_testkit::{RecordingSink, draft, request};

use crate::Scene;

/// The bound of every wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// The stand-in.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/claude.sh");

impl Scene {
    /// Creates a scene whose agent plays a script.
    pub(crate) fn playing(script: &str) -> Self {
        let scene = Self::new();
        fs::write(scene.workspace.join("play"), script).unwrap();
        scene
    }

    /// Creates an agent, like a runner that starts.
    pub(crate) fn agent(&self) -> ClaudeCodeAgent {
        self.agent_of(PROGRAM)
    }

    pub(crate) fn agent_of(&self, program: &str) -> ClaudeCodeAgent {
        agent_over(self.backend(), program)
    }

    /// Creates an agent whose backend is another.
    pub(crate) fn agent_on(&self, backend: Arc<dyn ExecBackend>) -> ClaudeCodeAgent {
        agent_over(backend, PROGRAM)
    }

    pub(crate) fn agent_run(&self, draft: RequestDraft) -> AgentRun {
        let mut secrets = RunSecrets::default();
        secrets.add_variable("ANTHROPIC_API_KEY".parse().unwrap(), "sk-secret".into());
        AgentRun { request: request(draft), workspace: self.workspace(), is_worktree: false, secrets }
    }

    /// Executes a run of the script with these limits.
    pub(crate) async fn execute(&self, limits: LimitSettings) -> (AgentResult, RecordingSink) {
        self.execute_as(RequestDraft { limits, ..draft(1, "Hello.") }).await
    }

    pub(crate) async fn execute_as(&self, draft: RequestDraft) -> (AgentResult, RecordingSink) {
        let sink = RecordingSink::default();
        let (agent, run) = (self.agent(), self.agent_run(draft));
        let result = bounded(agent.execute(&run, &sink)).await;
        (result, sink)
    }

    /// Waits for the agent at a FIFO of the script, and returns the id of its process.
    pub(crate) async fn meet(&self, name: &str) -> i32 {
        let path = self.workspace.join(name);
        let _ = nix::unistd::mkfifo(&path, Mode::S_IRWXU);
        let read = tokio::task::spawn_blocking(move || fs::read_to_string(path).unwrap());
        bounded(read).await.unwrap().trim().parse().unwrap()
    }

    /// Returns a file that the script has written.
    pub(crate) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.workspace.join(name)).unwrap_or_default()
    }

    /// Returns the names of the folders of runs.
    pub(crate) fn run_folders(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.join("runs")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn agent_over(backend: Arc<dyn ExecBackend>, program: &str) -> ClaudeCodeAgent {
    let settings = ClaudeCodeSettings { program: program.to_owned(), ..ClaudeCodeSettings::default() };
    ClaudeCodeAgent::new(backend, settings)
}

pub(crate) async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens in time")
}
