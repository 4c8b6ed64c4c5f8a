use std::time::Duration;

use super::*;
use crate::{Timeout, Timestamp};

fn draft() -> RequestDraft {
    RequestDraft {
        command_id: CommandId::from_parts(Timestamp::EPOCH, [7; 10]),
        project: "my-project".parse().unwrap(),
        provider: AgentProvider::claude(),
        prompt: "Fix the failing test.".to_owned(),
        session: Session::New,
        model: None,
        permissions: PermissionProfile::Edit,
        allowed_tools: Vec::new(),
        denied_tools: Vec::new(),
        limits: LimitSettings::default(),
        environment: Default::default(),
        secrets: BTreeSet::new(),
    }
}

#[test]
fn a_plain_request_suits_every_provider() {
    let request = AgentRequest::new(draft(), Capabilities::NONE).unwrap();
    assert_eq!(request.draft(), &draft());
    assert_eq!(request.limits().timeout(Timeout::Start), Duration::from_secs(30));
}

#[test]
fn a_blank_prompt_is_refused() {
    for prompt in ["", " \n\t", "\u{3000}"] {
        let faults =
            AgentRequest::new(RequestDraft { prompt: prompt.to_owned(), ..draft() }, Capabilities::ALL);
        assert_eq!(faults, Err(vec![AgentRequestError::PromptRequired]));
    }
}

#[test]
fn a_prompt_has_at_most_one_mebibyte() {
    let fits = RequestDraft { prompt: "x".repeat(MAX_PROMPT_BYTES), ..draft() };
    assert!(AgentRequest::new(fits, Capabilities::ALL).is_ok());
    let too_large = RequestDraft { prompt: "x".repeat(MAX_PROMPT_BYTES + 1), ..draft() };
    assert_eq!(AgentRequest::new(too_large, Capabilities::ALL), Err(vec![AgentRequestError::PromptTooLarge]));
}

#[test]
fn every_fault_is_reported_at_its_pointer() {
    let draft = RequestDraft {
        prompt: String::new(),
        session: Session::Resume("ses_1".parse().unwrap()),
        permissions: PermissionProfile::Full,
        allowed_tools: vec!["Edit".parse().unwrap(); MAX_TOOL_RULES + 1],
        denied_tools: vec!["Edit".parse().unwrap(); MAX_TOOL_RULES + 1],
        limits: LimitSettings {
            wall: Some(Duration::ZERO),
            max_turns: Some(5),
            max_budget_usd: Some(1.0),
            ..LimitSettings::default()
        },
        secrets: (0..=MAX_SECRETS).map(|n| format!("S{n}").parse().unwrap()).collect(),
        ..draft()
    };
    let pointers: Vec<_> = AgentRequest::new(draft, Capabilities::NONE)
        .unwrap_err()
        .iter()
        .map(AgentRequestError::pointer)
        .collect();
    assert_eq!(
        pointers,
        [
            "/prompt",
            "/allowed_tools",
            "/denied_tools",
            "/secrets",
            "/session/resume",
            "/limits/max_turns",
            "/limits/max_budget_usd",
            "/permissions",
            "/limits/wall_ms",
        ]
    );
}

#[test]
fn a_fork_needs_a_provider_that_can_fork() {
    let fork = RequestDraft { session: Session::Fork("ses_1".parse().unwrap()), ..draft() };
    assert!(AgentRequest::new(fork.clone(), Capabilities::ALL).is_ok());
    let fault = AgentRequestError::ForkUnsupported(AgentProvider::claude());
    assert_eq!(fault.to_string(), "the provider `claude` cannot fork a session");
    assert_eq!(AgentRequest::new(fork, Capabilities::NONE), Err(vec![fault]));
}
