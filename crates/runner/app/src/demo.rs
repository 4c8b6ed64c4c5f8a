//! The demonstration agent.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{AgentVersion, CodeAgent, EventSink, Unavailable, WorkspaceFiles};
use rdev_runner_domain::{
    AgentEventKind, AgentProvider, AgentRequest, AgentResult, AgentRun, Capabilities, CommandId, Denial,
    FailureReason, Outcome, PermissionProfile, RenderedFile, Rendering, RunningCommands, Timeout, Usage,
    Workspace,
};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// An agent that needs no installation and no model, to try everything around an agent.
///
/// It repeats each line of the prompt. Lines that begin with a slash are instructions:
///
/// | line | effect |
/// |---|---|
/// | `/wait 500ms` | waits |
/// | `/tool NAME` | reports the call of a tool and its result |
/// | `/write FILE TEXT` | writes the text into a file of the workspace, where the permissions allow it |
/// | `/deny NAME` | reports the call of a tool that is not allowed |
/// | `/fail TEXT` | ends the run as a failure |
pub struct DemoAgent {
    provider: AgentProvider,
    files: Option<Arc<dyn WorkspaceFiles>>,
    running: RunningCommands<CancellationToken>,
}

impl DemoAgent {
    /// Creates the agent under this name.
    #[must_use]
    pub fn new(provider: AgentProvider) -> Self {
        Self { provider, files: None, running: RunningCommands::default() }
    }

    /// Lets the agent write into workspaces.
    #[must_use]
    pub fn with_files(self, files: Arc<dyn WorkspaceFiles>) -> Self {
        Self { files: Some(files), ..self }
    }
}

/// An instruction of the prompt.
enum Instruction<'a> {
    Say(&'a str),
    Wait(Duration),
    Tool(&'a str),
    Write(&'a str, &'a str),
    Deny(&'a str),
    Fail(&'a str),
}

impl<'a> Instruction<'a> {
    fn parse(line: &'a str) -> Self {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.trim()) {
            ("/wait", duration) => humantime::parse_duration(duration).map_or(Self::Say(line), Self::Wait),
            ("/tool", name) if !name.is_empty() => Self::Tool(name),
            ("/write", rest) if !rest.is_empty() => {
                let (file, text) = rest.split_once(' ').unwrap_or((rest, ""));
                Self::Write(file, text)
            }
            ("/deny", name) if !name.is_empty() => Self::Deny(name),
            ("/fail", text) => Self::Fail(text),
            _ => Self::Say(line),
        }
    }
}

#[async_trait]
impl CodeAgent for DemoAgent {
    fn provider(&self) -> &AgentProvider {
        &self.provider
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { full_permissions: true, ..Capabilities::NONE }
    }

    fn uses_workspace(&self) -> bool {
        self.files.is_some()
    }

    async fn probe(&self) -> Result<AgentVersion, Unavailable> {
        Ok(AgentVersion(env!("CARGO_PKG_VERSION").to_owned()))
    }

    async fn execute(&self, run: &AgentRun, sink: &dyn EventSink) -> AgentResult {
        let command = run.command_id();
        let cancelled = CancellationToken::new();
        let _running = self.running.add(command, cancelled.clone());
        let mut run = Run::new(run, self.files.as_ref());
        let wall = run.request.limits().timeout(Timeout::Wall);
        let outcome = tokio::select! {
            outcome = run.play(sink) => outcome,
            () = cancelled.cancelled() => Outcome::Cancelled,
            () = tokio::time::sleep(wall) => Outcome::TimedOut(Timeout::Wall),
        };
        run.result(outcome)
    }

    /// A run dies with its runner.
    async fn attach(&self, _: &AgentRun, _: Option<&str>, _: &dyn EventSink) -> Option<AgentResult> {
        None
    }

    async fn forget(&self, _: CommandId) {}

    async fn cancel(&self, command: CommandId) {
        if let Some(run) = self.running.get(command) {
            run.cancel();
        }
    }
}

struct Run<'a> {
    request: &'a AgentRequest,
    workspace: &'a Workspace,
    files: Option<&'a Arc<dyn WorkspaceFiles>>,
    started: Instant,
    /// When it last reported something.
    reported: Instant,
    result: AgentResult,
}

impl<'a> Run<'a> {
    fn new(run: &'a AgentRun, files: Option<&'a Arc<dyn WorkspaceFiles>>) -> Self {
        let result = AgentResult {
            outcome: Outcome::Completed,
            detail: None,
            exit_code: None,
            duration: Duration::ZERO,
            session: None,
            text: String::new(),
            usage: Usage::default(),
            cost: None,
            denials: Vec::new(),
            changes: None,
        };
        let AgentRun { request, workspace, .. } = run;
        let now = Instant::now();
        Self { request, workspace, files, started: now, reported: now, result }
    }

    async fn play(&mut self, sink: &dyn EventSink) -> Outcome {
        let session = self.request.draft().command_id.to_string().parse().ok();
        self.result.session.clone_from(&session);
        if let Some(session) = session {
            sink.emit(AgentEventKind::SessionStarted { session, model: None }).await;
        }
        let prompt = &self.request.draft().prompt;
        let lines = prompt.lines().map(str::trim).filter(|line| !line.is_empty());
        for (number, line) in lines.enumerate() {
            match Instruction::parse(line) {
                Instruction::Say(text) => self.say(text, sink).await,
                Instruction::Wait(duration) => {
                    if !self.wait(duration).await {
                        return Outcome::TimedOut(Timeout::Idle);
                    }
                    continue;
                }
                Instruction::Tool(name) => call(name, number, "{}", Ok("done".to_owned()), sink).await,
                Instruction::Write(file, text) if self.may_write() => {
                    let input = json!({ "file_path": file, "content": text }).to_string();
                    call("Write", number, &input, self.write(file, text).await, sink).await;
                }
                Instruction::Write(..) => self.deny("Write", number, sink).await,
                Instruction::Deny(name) => self.deny(name, number, sink).await,
                Instruction::Fail(text) => {
                    self.result.detail = Some(text.to_owned());
                    return Outcome::Failed(FailureReason::AgentError);
                }
            }
            self.reported = Instant::now();
        }
        sink.emit(AgentEventKind::Usage(self.result.usage)).await;
        Outcome::Completed
    }

    /// Waits. Returns false if that exceeds the limit of silence.
    async fn wait(&self, duration: Duration) -> bool {
        let silent_at = self.reported + self.request.limits().timeout(Timeout::Idle);
        tokio::time::timeout_at(silent_at, tokio::time::sleep(duration)).await.is_ok()
    }

    async fn say(&mut self, text: &str, sink: &dyn EventSink) {
        for delta in text.split_inclusive(' ') {
            sink.emit(AgentEventKind::TextDelta { text: delta.to_owned(), parent: None }).await;
            self.result.usage += Usage { input_tokens: 1, output_tokens: 1, ..Usage::default() };
        }
        sink.emit(AgentEventKind::Message { text: text.to_owned(), parent: None }).await;
        text.clone_into(&mut self.result.text);
    }

    fn may_write(&self) -> bool {
        self.request.draft().permissions != PermissionProfile::ReadOnly
    }

    /// Writes a line into a file of the workspace. Returns what it did, or why it could not.
    async fn write(&self, file: &str, text: &str) -> Result<String, String> {
        let Some(files) = self.files else {
            return Err("The agent has no workspace.".to_owned());
        };
        let file = file.parse().map_err(|error| format!("The path of the file {error}."))?;
        let rendering = Rendering {
            files: vec![RenderedFile { path: file, content: format!("{text}\n") }],
            warnings: Vec::new(),
        };
        let written = files.write(self.workspace, &rendering, true).await;
        written.map(|_| "The file was written.".to_owned()).map_err(|error| error.to_string())
    }

    async fn deny(&mut self, name: &str, number: usize, sink: &dyn EventSink) {
        let denial = Denial { tool: name.to_owned(), id: Some(call_id(number)), input: None };
        sink.emit(AgentEventKind::PermissionDenied {
            tool: denial.tool.clone(),
            id: denial.id.clone(),
            message: "The prompt denies it.".to_owned(),
        })
        .await;
        self.result.denials.push(denial);
    }

    fn result(self, outcome: Outcome) -> AgentResult {
        AgentResult { outcome, duration: self.started.elapsed(), ..self.result }
    }
}

async fn call(
    name: &str,
    number: usize,
    input: &str,
    returned: Result<String, String>,
    sink: &dyn EventSink,
) {
    let (id, name, input) = (call_id(number), name.to_owned(), input.to_owned());
    sink.emit(AgentEventKind::ToolCall { id: id.clone(), name, input, parent: None }).await;
    let is_error = returned.is_err();
    let (Ok(content) | Err(content)) = returned;
    sink.emit(AgentEventKind::ToolResult { id, content, is_error, parent: None }).await;
}

fn call_id(number: usize) -> String {
    format!("call-{}", number + 1)
}
