//! OpenCode in a folder of its own, with a model of its own.

use std::fs;
use std::sync::Arc;

use rdev_app::{SystemClock, SystemEntropy};
use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{
    AgentEventKind, AgentResult, AgentRun, Outcome, PermissionProfile, RequestDraft, RunSecrets,
};
use rdev_runner_opencode::{DEFAULT_KEEP_IDLE, OpenCodeAgent, OpenCodeSettings};
use rdev_runner_testkit::{RecordingSink, draft, request};
use rdev_runner_tests::{PATIENCE, Scene, ScriptedModel, eventually, opencode};
use serde_json::json;

use super::IS_IN_POD;
use crate::place::Place;

pub(crate) struct Subject {
    pub(crate) agent: OpenCodeAgent,
    /// Ends before its folder is removed.
    pub(crate) place: Place,
    pub(crate) scene: Scene,
    pub(crate) model: ScriptedModel,
}

impl Subject {
    pub(crate) async fn new() -> Self {
        let (scene, model) = (Scene::new(), ScriptedModel::start().await);
        let config = json!({
            "model": "mock/mock-model", "small_model": "mock/mock-model", "enabled_providers": ["mock"],
            "provider": { "mock": {
                "npm": "@ai-sdk/openai-compatible", "name": "Mock",
                "options": { "baseURL": model.completions_url(), "apiKey": "test-key" },
                "models": { "mock-model": {
                    "name": "Mock", "tool_call": true, "cost": { "input": 1, "output": 2 },
                    "limit": { "context": 100_000, "output": 8_000 },
                } },
            } },
        });
        let folder = scene.folder("agent-home/.config/opencode");
        fs::write(folder.join("opencode.json"), config.to_string()).unwrap();
        let place = Place::new(&scene, IS_IN_POD);
        let agent = new_agent(&place, &scene);
        Self { agent, place, scene, model }
    }

    /// Replaces the agent by that of another runner.
    pub(crate) fn restart(self) -> Self {
        let Self { agent, place, scene, model } = self;
        drop(agent);
        Self { agent: new_agent(&place, &scene), place, scene, model }
    }

    pub(crate) fn run(&self, draft: RequestDraft) -> AgentRun {
        let workspace = self.place.workspace(&self.scene);
        let mut secrets = RunSecrets::default();
        if IS_IN_POD {
            // No home is copied into a pod.
            let config = self.scene.folder("agent-home/.config");
            secrets.add_variable("XDG_CONFIG_HOME".parse().unwrap(), config.to_str().unwrap().into());
        }
        AgentRun { request: request(draft), workspace, is_worktree: false, secrets }
    }

    /// Runs to the end, and returns the result and the events but text deltas.
    pub(crate) async fn execute(&self, draft: RequestDraft) -> (AgentResult, Vec<String>) {
        let (run, sink) = (self.run(draft), RecordingSink::default());
        let running = self.agent.execute(&run, &sink);
        let result = tokio::time::timeout(2 * PATIENCE, running).await.expect("the run ends");
        (result, seen(&sink))
    }

    /// Runs a script to its end, with full permissions.
    pub(crate) async fn play(&self, n: u8, script: &str) -> (AgentResult, Vec<String>) {
        self.execute(full(n, script)).await
    }

    /// Stops the servers, and checks that nothing is left.
    pub(crate) async fn close(self) {
        for command in self.agent.recover().await {
            self.agent.forget(command).await;
        }
        self.agent.close().await;
        // A supervisor itself exits a moment after it has written down the end.
        eventually("the end of all processes", async || self.processes().is_empty().then_some(())).await;
        for folder in [self.place.runs(), "pods", "state/servers"] {
            assert_eq!(self.scene.files(folder), [""; 0].map(std::path::PathBuf::from));
        }
    }

    /// Returns the processes of runs.
    pub(crate) fn processes(&self) -> Vec<String> {
        self.place.processes(&self.scene)
    }

    /// Returns the processes that are neither a server nor its supervisors.
    pub(crate) fn tools(&self) -> Vec<String> {
        let runs = format!("/{}/", self.place.runs());
        let is_tool = |line: &String| !line.contains(" serve ") && !line.contains(&runs);
        self.processes().into_iter().filter(is_tool).collect()
    }

    /// Waits until a tool runs whose command line contains this.
    pub(crate) async fn tool(&self, text: &str) {
        let is_there = async || self.tools().iter().any(|line| line.contains(text)).then_some(());
        eventually(&format!("a process `{text}`"), is_there).await;
    }
}

fn new_agent(place: &Place, scene: &Scene) -> OpenCodeAgent {
    let backend = place.backend(scene, Some(scene.folder("agent-home")));
    let settings = OpenCodeSettings {
        program: opencode().to_str().unwrap().to_owned(),
        state: scene.folder("state"),
        keep_idle: DEFAULT_KEEP_IDLE,
    };
    OpenCodeAgent::new(backend, settings, Arc::new(SystemClock), Arc::new(SystemEntropy))
}

/// Returns a request with full permissions, and with a start that a busy machine can keep.
pub(crate) fn full(n: u8, script: &str) -> RequestDraft {
    let mut draft = draft(n, script);
    draft.permissions = PermissionProfile::Full;
    draft.limits.start = Some(PATIENCE);
    draft
}

/// Returns the line of a script that calls the tool `bash`.
pub(crate) fn bash(command: &str) -> String {
    format!("MOCK tool bash {}\n", json!({ "command": command, "description": "a command" }))
}

/// Returns what a sink has got but text deltas and usage.
pub(crate) fn seen(sink: &RecordingSink) -> Vec<String> {
    let describe = |event| match event {
        AgentEventKind::SessionStarted { .. } => Some("session".to_owned()),
        AgentEventKind::Message { text, .. } => Some(text),
        AgentEventKind::Thinking { text, .. } => Some(format!("thinks {text}")),
        AgentEventKind::ToolCall { name, .. } => Some(format!("calls {name}")),
        AgentEventKind::ToolResult { content, is_error, .. } => {
            Some(format!("{} {}", if is_error { "error" } else { "result" }, content.trim()))
        }
        AgentEventKind::PermissionDenied { tool, .. } => Some(format!("denied {tool}")),
        AgentEventKind::Warning { message } => Some(format!("warning {message}")),
        AgentEventKind::Retry { .. } => Some("retry".to_owned()),
        AgentEventKind::Raw { text } => Some(format!("raw {text}")),
        AgentEventKind::TextDelta { .. } | AgentEventKind::Usage(_) => None,
    };
    sink.events().into_iter().filter_map(describe).collect()
}

/// Checks that a run has completed with this text.
#[track_caller]
pub(crate) fn assert_completed(result: &AgentResult, text: &str) {
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, text), "{:?}", result.detail);
}
