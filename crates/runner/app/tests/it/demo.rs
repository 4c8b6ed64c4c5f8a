//! The demonstration agent passes the contract of agents, and follows its prompt.

use std::time::Duration;

use rdev_runner_app::DemoAgent;
use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{
    AgentEventKind, AgentRequest, Denial, FailureReason, LimitSettings, Outcome, RequestDraft, Timeout, Usage,
};
use rdev_runner_testkit::contract::Prompts;
use rdev_runner_testkit::{RecordingSink, draft, run};

fn agent() -> DemoAgent {
    DemoAgent::new("demo".parse().unwrap())
}

rdev_runner_testkit::agent_contract_tests!((start_paused = true), {
    let prompts = Prompts { echo: str::to_owned, endless: "Hold on.\n/wait 9h" };
    (agent(), prompts)
});

#[tokio::test(start_paused = true)]
async fn the_prompt_scripts_the_run() {
    let (agent, sink) = (agent(), RecordingSink::default());
    let prompt = "Good day.\n/tool Read\n/deny Bash\n/wait 2s\n/wait long\n";
    let result = agent.execute(&run(draft(1, prompt)), &sink).await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "/wait long"));
    assert_eq!(result.duration, Duration::from_secs(2));
    let denial = Denial { tool: "Bash".into(), id: Some("call-3".into()), input: None };
    assert_eq!(result.denials, [denial]);
    assert_eq!(result.usage, Usage { input_tokens: 4, output_tokens: 4, ..Usage::default() });
    let kinds: Vec<_> = sink
        .events()
        .iter()
        .map(|event| {
            match event {
                AgentEventKind::SessionStarted { .. } => "session",
                AgentEventKind::TextDelta { text, .. } | AgentEventKind::Message { text, .. } => text,
                AgentEventKind::ToolCall { name, .. } => name,
                AgentEventKind::ToolResult { content, .. } => content,
                AgentEventKind::PermissionDenied { message, .. } => message,
                AgentEventKind::Usage(_) => "usage",
                _ => "other",
            }
            .to_owned()
        })
        .collect();
    let expected = [
        "session",
        "Good ",
        "day.",
        "Good day.",
        "Read",
        "done",
        "The prompt denies it.",
        "/wait ",
        "long",
        "/wait long",
        "usage",
    ];
    assert_eq!(kinds, expected);
}

#[tokio::test(start_paused = true)]
async fn a_run_keeps_its_limits_of_time() {
    let second = Duration::from_secs(1);
    let limits = |wall: u32, idle: u32| LimitSettings {
        wall: Some(wall * second),
        idle: Some(idle * second),
        ..LimitSettings::NONE
    };
    for (prompt, limits, outcome, duration) in [
        ("/wait 20s", limits(2, 60), Outcome::TimedOut(Timeout::Wall), 2),
        ("/wait 2s\nOne.\n/wait 2s\n/wait 2s", limits(60, 3), Outcome::TimedOut(Timeout::Idle), 5),
        ("/wait 2s\nOne.\n/wait 2s", limits(60, 3), Outcome::Completed, 4),
    ] {
        let draft = RequestDraft { limits, ..draft(1, prompt) };
        let result = agent().execute(&run(draft), &RecordingSink::default()).await;
        assert_eq!((result.outcome, result.duration), (outcome, duration * second), "{prompt}");
    }
}

#[tokio::test]
async fn a_failure_ends_the_run() {
    let result =
        agent().execute(&run(draft(1, "One.\n/fail No more.\nTwo.")), &RecordingSink::default()).await;
    assert_eq!(result.outcome, Outcome::Failed(FailureReason::AgentError));
    assert_eq!((result.detail.as_deref(), result.text.as_str()), (Some("No more."), "One."));
}

#[tokio::test]
async fn it_is_always_available() {
    let agent = agent();
    assert!(agent.probe().await.is_ok());
    assert!(AgentRequest::new(draft(1, "Hello."), agent.capabilities()).is_ok());
}
