//! The command line and the environment of Claude Code.

use rdev_runner_domain::{AgentRequest, Capabilities, PermissionProfile, Session, ToolRule};

/// The variables that every run gets, in addition to `PATH`, `HOME`, `TMPDIR`, `LANG` and its secrets. They
/// bound retries, keep tools in the foreground, so that the first result is the last, and avoid requests that
/// do not serve the run.
pub const ENVIRONMENT: [(&str, &str); 6] = [
    ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"),
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("CLAUDE_CODE_MAX_RETRIES", "3"),
    ("DISABLE_AUTOUPDATER", "1"),
    ("DISABLE_ERROR_REPORTING", "1"),
    ("DISABLE_TELEMETRY", "1"),
];

/// The arguments of every run. The prompt comes by standard input: as an argument it could be read as an
/// option. Settings, hooks and MCP servers of the repository are ignored, because they would run without being
/// asked for. No one can answer a permission prompt, so each is denied at once.
const ARGUMENTS: [&str; 13] = [
    "-p",
    "--input-format",
    "stream-json",
    "--output-format",
    "stream-json",
    "--verbose",
    "--include-partial-messages",
    "--setting-sources",
    "user",
    "--strict-mcp-config",
    "--permission-prompts",
    "none",
    "--permission-mode",
];

/// The files of a home that hold the sign-in.
pub const SIGN_IN: &[&str] = &[".claude/.credentials.json", ".claude.json"];

/// The advice to a person whose host has no Claude Code.
pub(crate) const INSTALL: &str =
    "Install it with `npm install -g @anthropic-ai/claude-code`, or name its path with --claude-path.";

/// The tools that change files, which the profile `read-only` denies.
const WRITING_TOOLS: [&str; 3] = ["Edit", "NotebookEdit", "Write"];

/// Returns what Claude Code can do. It refuses the profile `full` where it runs as root.
#[must_use]
pub const fn capabilities(runs_as_root: bool) -> Capabilities {
    Capabilities { full_permissions: !runs_as_root, ..Capabilities::ALL }
}

/// Returns the arguments for a request. A new session gets the UUID of the command as its id, so that it is
/// known even if the agent is killed before it reports it.
#[must_use]
pub fn arguments(request: &AgentRequest) -> Vec<String> {
    let draft = request.draft();
    let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).into();
    arguments.push(
        match draft.permissions {
            PermissionProfile::ReadOnly => "plan",
            PermissionProfile::Edit => "acceptEdits",
            PermissionProfile::Full => "bypassPermissions",
        }
        .to_owned(),
    );
    // With `=`, because the option takes every argument that follows it.
    let mut option = |name: &str, value: &str| arguments.push(format!("--{name}={value}"));
    for rule in &draft.allowed_tools {
        option("allowedTools", rule.as_str());
    }
    for rule in denied(request) {
        option("disallowedTools", rule);
    }
    if let Some(model) = &draft.model {
        option("model", model.as_str());
    }
    if let Some(turns) = request.limits().max_turns() {
        option("max-turns", &turns.to_string());
    }
    if let Some(budget) = request.limits().max_budget() {
        option("max-budget-usd", &budget.to_string());
    }
    match &draft.session {
        Session::New => option("session-id", &draft.command_id.as_uuid().to_string()),
        Session::Resume(session) | Session::Fork(session) => option("resume", session.as_str()),
    }
    if matches!(draft.session, Session::Fork(_)) {
        arguments.push("--fork-session".to_owned());
    }
    arguments
}

fn denied(request: &AgentRequest) -> impl Iterator<Item = &str> {
    let writing: &[&str] = match request.draft().permissions {
        PermissionProfile::ReadOnly => &WRITING_TOOLS,
        PermissionProfile::Edit | PermissionProfile::Full => &[],
    };
    request.draft().denied_tools.iter().map(ToolRule::as_str).chain(writing.iter().copied())
}

#[cfg(test)]
mod tests {
    use rdev_runner_domain::{LimitSettings, RequestDraft};
    use rdev_runner_testkit::{draft, request};

    use super::*;

    fn after_the_fixed(draft: RequestDraft) -> Vec<String> {
        let arguments = arguments(&request(draft));
        assert_eq!(arguments[..ARGUMENTS.len()], ARGUMENTS);
        arguments[ARGUMENTS.len()..].to_vec()
    }

    #[test]
    fn a_plain_request_edits_in_a_session_of_its_own() {
        let draft = draft(1, "--help me");
        let session = format!("--session-id={}", draft.command_id.as_uuid());
        assert_eq!(after_the_fixed(draft), ["acceptEdits", &session]);
    }

    #[test]
    fn every_wish_becomes_an_option() {
        let draft = RequestDraft {
            session: Session::Fork("9f086e73-0144-4a78-9efe-c01996fe4a17".parse().unwrap()),
            model: Some("claude-opus-5-5".parse().unwrap()),
            permissions: PermissionProfile::Full,
            allowed_tools: vec!["Bash(cargo *)".parse().unwrap(), "Read".parse().unwrap()],
            denied_tools: vec!["WebFetch".parse().unwrap()],
            limits: LimitSettings {
                max_turns: Some(7),
                max_budget_usd: Some(2.5),
                ..LimitSettings::default()
            },
            ..draft(1, "Hello.")
        };
        let expected = [
            "bypassPermissions",
            "--allowedTools=Bash(cargo *)",
            "--allowedTools=Read",
            "--disallowedTools=WebFetch",
            "--model=claude-opus-5-5",
            "--max-turns=7",
            "--max-budget-usd=2.5",
            "--resume=9f086e73-0144-4a78-9efe-c01996fe4a17",
            "--fork-session",
        ];
        assert_eq!(after_the_fixed(draft), expected);
    }

    #[test]
    fn a_reading_agent_has_no_tool_that_writes() {
        let draft = RequestDraft {
            session: Session::Resume("9f086e73-0144-4a78-9efe-c01996fe4a17".parse().unwrap()),
            permissions: PermissionProfile::ReadOnly,
            ..draft(1, "Hello.")
        };
        let expected = [
            "plan",
            "--disallowedTools=Edit",
            "--disallowedTools=NotebookEdit",
            "--disallowedTools=Write",
            "--resume=9f086e73-0144-4a78-9efe-c01996fe4a17",
        ];
        assert_eq!(after_the_fixed(draft), expected);
    }

    #[test]
    fn no_project_sets_a_variable_of_the_runner() {
        for (name, _) in ENVIRONMENT {
            assert!(name.parse::<rdev_runner_domain::EnvironmentName>().is_err(), "{name} is not reserved");
        }
    }

    #[test]
    fn root_has_no_full_permissions() {
        assert!(!capabilities(true).full_permissions && capabilities(false).full_permissions);
    }
}
