//! Commands.

use std::time::Duration;

use rdev_runner_domain::ports::{Cancellation, CommandRefusal, Deletion};
use rdev_runner_domain::{
    Access, AgentRequest, AgentResult, CommandFilter, CommandStatus, Denial, FailureReason, LeaseState,
    LimitSettings, Outcome, PageRequest, PermissionProfile, Progress, Session, SessionRef, Timeout, Usage,
    Usd, WorkspaceChanges,
};

use super::StoreHarness;
use super::scene::{
    LEASE, add, add_changed, add_project, claim, claim_with, complete, get, limits, pairs, published, record,
    report, result, status,
};
use crate::{command_id, draft, request};

/// Returns the request of the `n`-th command with a value for every part.
pub(super) fn full_request(n: u8) -> AgentRequest {
    let mut full = draft(n, "a \"prompt\"\u{0}\n\u{1F600}");
    full.session = Session::Fork("ses_1".parse().expect("a session"));
    full.model = Some("claude-opus".parse().expect("a model"));
    full.permissions = PermissionProfile::Full;
    full.allowed_tools = vec!["Bash(cargo *)".parse().expect("a rule")];
    full.denied_tools = vec!["WebFetch".parse().expect("a rule")];
    full.secrets = ["B".parse().expect("a name"), "A".parse().expect("a name")].into();
    full.environment = [("RUST_LOG".parse().expect("a name"), "a\nb".parse().expect("a value"))].into();
    full.limits = LimitSettings {
        idle: Some(Duration::from_micros(1_001)),
        max_budget_usd: Some(0.1 + 0.2),
        ..LimitSettings::NONE
    };
    request(full)
}

/// Returns a result with a value for every part.
pub(super) fn full_result(outcome: Outcome) -> AgentResult {
    AgentResult {
        detail: Some("a \"detail\"\0".to_owned()),
        exit_code: Some(-7),
        duration: Duration::new(5, 432_100_001),
        session: Some("ses_9".parse().expect("a session")),
        text: "é\u{0}\u{1F600}".to_owned(),
        usage: Usage { input_tokens: 1, output_tokens: 2, cache_read_tokens: 3, cache_write_tokens: 4 },
        cost: Some(Usd::from_nanos(1_234_567_891)),
        denials: vec![Denial { tool: "Bash".to_owned(), id: None, input: Some("{}".to_owned()) }],
        changes: Some(changes()),
        ..result(outcome)
    }
}

/// Every part of a request survives.
pub async fn a_request_is_kept_exactly(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    let full = full_request(1);
    harness.commands().create(&full).await.expect("created").expect("the project exists");
    let stored = harness.commands().request(Access::everything(), command_id(1)).await.expect("read");
    assert_eq!(stored.as_ref(), Some(&full));
    assert_eq!(claim(harness).await.request, full);
}

/// A repeated call finds the first command.
pub async fn a_command_is_created_once(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    let id = add(harness, 1).await;
    claim(harness).await;
    let again = harness.commands().create(&request(draft(1, "Another prompt."))).await.expect("answered");
    assert_eq!(again, Ok(get(harness, id).await));
    let stored = harness.commands().request(Access::everything(), id).await.expect("read").expect("exists");
    assert_eq!(stored.draft().prompt, "Fix the failing test.");
    assert_eq!(claim_with(harness, limits()).await, None);
}

/// A command of an unknown project is not stored.
pub async fn a_command_needs_its_project(harness: &dyn StoreHarness) {
    let created = harness.commands().create(&request(draft(1, "x"))).await.expect("answered");
    assert_eq!(created, Err(CommandRefusal::NoProject));
    let stored = harness.commands().get(Access::everything(), command_id(1)).await.expect("read");
    assert_eq!(stored, None);
}

/// Callers without the project find nothing and change nothing.
pub async fn commands_are_shown_to_their_projects_alone(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    let id = add(harness, 1).await;
    let commands = harness.commands();
    let stranger = Access::new([]).with_projects(["other".parse().expect("a name")]);
    assert_eq!(commands.get(&stranger, id).await.expect("read"), None);
    assert_eq!(commands.request(&stranger, id).await.expect("read"), None);
    assert_eq!(commands.cancel(&stranger, id).await.expect("read"), None);
    assert_eq!(commands.delete(&stranger, id).await.expect("read"), None);
    assert_eq!(commands.events(&stranger, id, 0, 10).await.expect("read"), None);
    let page = PageRequest { limit: 10, before: None };
    let listed = commands.list(&stranger, &CommandFilter::default(), page).await.expect("listed");
    assert_eq!(listed.items, []);
    let owner = Access::new([]).with_projects(["my-project".parse().expect("a name")]);
    assert!(commands.get(&owner, id).await.expect("read").is_some());
    assert!(commands.events(&owner, id, 0, 10).await.expect("read").is_some());
    let listed = commands.list(&owner, &CommandFilter::default(), page).await.expect("listed");
    assert_eq!(listed.items, [get(harness, id).await]);
    assert_eq!(status(harness, id).await, CommandStatus::Queued);
}

/// Every part of a result survives, for each kind of end.
pub async fn a_result_is_kept_exactly(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    let outcomes = [
        Outcome::Completed,
        Outcome::Failed(FailureReason::Authentication),
        Outcome::Cancelled,
        Outcome::TimedOut(Timeout::ToolIdle),
        Outcome::Lost,
    ];
    for (n, outcome) in (1..).zip(outcomes) {
        let id = add(harness, n).await;
        let leased = claim(harness).await;
        let full = full_result(outcome);
        let progress = Progress::Ended(Box::new(full.clone()));
        record(harness, leased.lease, report(0, &[], progress)).await;
        let stored = get(harness, id).await;
        assert_eq!(stored.state.outcome(), Some(outcome));
        assert_eq!(stored.session, full.session);
        assert_eq!(stored.result, Some(full));
    }
}

fn changes() -> WorkspaceChanges {
    WorkspaceChanges {
        commit: "0123456789abcdef0123456789abcdef01234567".parse().expect("a commit"),
        files: 1,
        insertions: 2,
        deletions: 3,
        diff: Some("--- a/é\n+++ b/é\n+\u{0}\u{1F600}\n".to_owned()),
        is_truncated: true,
        branch: Some("rdev/cmd-1".to_owned()),
    }
}

/// A list has everything of a command but its diff.
pub async fn a_list_leaves_out_diffs(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    let id = add(harness, 1).await;
    let leased = claim(harness).await;
    let full = AgentResult { changes: Some(changes()), ..result(Outcome::Completed) };
    record(harness, leased.lease, report(0, &[], Progress::Ended(Box::new(full)))).await;
    let mut expected = get(harness, id).await;
    let stored = expected.result.as_mut().and_then(|result| result.changes.as_mut());
    assert!(stored.expect("the changes are kept").diff.take().is_some());
    let page = PageRequest { limit: 10, before: None };
    let listed = harness.commands().list(Access::everything(), &CommandFilter::default(), page).await;
    assert_eq!(listed.expect("listed").items, [expected]);
}

/// The first command of a session is that which has reported or resumed it first.
pub async fn the_first_command_of_a_session_is_found(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    add_project(harness, "other", 1).await;
    let session: SessionRef = "ses_9".parse().expect("a session");
    let first = async |project: &str, provider: &str, session: &SessionRef| {
        let (project, provider) = (project.parse().expect("a name"), provider.parse().expect("a name"));
        harness.commands().first_of_session(&project, &provider, session).await.expect("read")
    };
    add(harness, 1).await;
    assert_eq!(first("my-project", "claude", &session).await, None);
    let ended = Progress::Ended(Box::new(full_result(Outcome::Completed)));
    record(harness, claim(harness).await.lease, report(0, &[], ended)).await;
    for n in [3, 2] {
        add_changed(harness, n, |draft| draft.session = Session::Resume(session.clone())).await;
    }
    assert_eq!(first("my-project", "claude", &session).await, Some(command_id(1)));
    assert_eq!(first("my-project", "claude", &"ses_8".parse().expect("a session")).await, None);
    assert_eq!(first("my-project", "demo", &session).await, None);
    assert_eq!(first("other", "claude", &session).await, None);
    harness.commands().delete(Access::everything(), command_id(1)).await.expect("deleted");
    assert_eq!(first("my-project", "claude", &session).await, Some(command_id(2)));
}

/// Pages follow each other, newest first.
pub async fn commands_are_paged_newest_first(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    for n in [3, 1, 5, 2, 4] {
        add(harness, n).await;
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: 2, before };
        let filter = CommandFilter::default();
        let page = harness.commands().list(Access::everything(), &filter, page).await.expect("listed");
        seen.extend(page.items.iter().map(|command| command.id));
        before = seen.last().copied();
        if !page.has_more {
            break;
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1].map(command_id));
}

/// Each filter applies.
pub async fn commands_are_filtered(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    add_project(harness, "other", 1).await;
    let first = add(harness, 1).await;
    let second = add_changed(harness, 2, |draft| draft.project = "other".parse().expect("a name")).await;
    let third = add_changed(harness, 3, |draft| draft.provider = "demo".parse().expect("a name")).await;
    assert_eq!(claim(harness).await.lease.command, first);
    let found = async |filter: CommandFilter| {
        let page = PageRequest { limit: 10, before: None };
        let page = harness.commands().list(Access::everything(), &filter, page).await.expect("listed");
        page.items.iter().map(|command| command.id).collect::<Vec<_>>()
    };
    let project = Some("my-project".parse().expect("a name"));
    let provider = Some("claude".parse().expect("a name"));
    let queued = Some(CommandStatus::Queued);
    assert_eq!(found(CommandFilter::default()).await, [third, second, first]);
    let by_project = CommandFilter { project, ..CommandFilter::default() };
    assert_eq!(found(by_project.clone()).await, [third, first]);
    let by_provider = CommandFilter { provider: provider.clone(), ..CommandFilter::default() };
    assert_eq!(found(by_provider).await, [second, first]);
    let by_status = CommandFilter { status: queued, ..CommandFilter::default() };
    assert_eq!(found(by_status).await, [third, second]);
    assert_eq!(found(CommandFilter { provider, status: queued, ..by_project }).await, []);
}

/// A command in the queue ends with the request.
pub async fn a_queued_command_is_cancelled_at_once(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    let id = add(harness, 1).await;
    let cancelled = harness.commands().cancel(Access::everything(), id).await.expect("cancelled");
    assert_eq!(cancelled, Some(Cancellation::Accepted(Box::new(get(harness, id).await))));
    assert_eq!(status(harness, id).await, CommandStatus::Cancelled);
    assert_eq!(claim_with(harness, limits()).await, None);
    assert_eq!(published(harness, id).await, pairs(&[("command.failed", "cancelled")]));
}

/// The runner hears of it and reports the end.
pub async fn a_started_command_is_cancelled_by_its_runner(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    let id = add(harness, 1).await;
    let leased = claim(harness).await;
    let held = |last_seq, is_cancelled| LeaseState::Held { last_seq, is_cancelled };
    let beat = harness.queue().heartbeat(&leased.lease, LEASE).await.expect("extended");
    assert_eq!(beat, held(0, false));
    assert!(harness.commands().cancel(Access::everything(), id).await.expect("cancelled").is_some());
    assert_eq!(status(harness, id).await, CommandStatus::Cancelling);
    let beat = harness.queue().heartbeat(&leased.lease, LEASE).await.expect("extended");
    assert_eq!(beat, held(0, true));
    let reported = record(harness, leased.lease, report(0, &["One."], Progress::Running)).await;
    assert_eq!(reported, held(1, true));
    assert_eq!(status(harness, id).await, CommandStatus::Cancelling);
    let ended = Progress::Ended(Box::new(result(Outcome::Cancelled)));
    record(harness, leased.lease, report(1, &[], ended)).await;
    assert_eq!(status(harness, id).await, CommandStatus::Cancelled);
}

/// A second request changes nothing.
pub async fn a_cancellation_can_be_repeated(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 2).await;
    let (first, second) = (add(harness, 1).await, add(harness, 2).await);
    let leased = claim(harness).await;
    let cancel = async |id| harness.commands().cancel(Access::everything(), id).await.expect("answered");
    assert!(matches!(cancel(first).await, Some(Cancellation::Accepted(_))));
    assert!(matches!(cancel(first).await, Some(Cancellation::Accepted(_))));
    complete(harness, &leased).await;
    let ended = get(harness, first).await;
    assert_eq!(cancel(first).await, Some(Cancellation::Ended));
    assert_eq!(get(harness, first).await, ended);
    assert!(matches!(cancel(second).await, Some(Cancellation::Accepted(_))));
    assert_eq!(cancel(second).await, Some(Cancellation::Ended));
    assert_eq!(cancel(command_id(9)).await, None);
}

/// A command is deleted once it has ended, with its events.
pub async fn only_an_ended_command_is_deleted(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    let id = add(harness, 1).await;
    let delete = async || harness.commands().delete(Access::everything(), id).await.expect("answered");
    assert_eq!(delete().await, Some(Deletion::NotEnded));
    let leased = claim(harness).await;
    assert_eq!(delete().await, Some(Deletion::NotEnded));
    let ended = Progress::Ended(Box::new(result(Outcome::Completed)));
    record(harness, leased.lease, report(0, &["One."], ended)).await;
    assert_eq!(delete().await, Some(Deletion::Deleted));
    assert_eq!(delete().await, None);
    assert_eq!(harness.commands().events(Access::everything(), id, 0, 10).await.expect("read"), None);
    // A new command of that id has none of the old events.
    add(harness, 1).await;
    let page = harness.commands().events(Access::everything(), id, 0, 10).await.expect("read");
    assert_eq!(page.expect("the command exists").events, []);
}

/// Old commands go, young and unfinished ones stay.
pub async fn old_commands_are_pruned(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    let ended = [add(harness, 1).await, add(harness, 2).await];
    for _ in ended {
        complete(harness, &claim(harness).await).await;
    }
    let queued = add(harness, 3).await;
    harness.advance(Duration::from_secs(7_200)).await;
    let young = add(harness, 4).await;
    harness.commands().cancel(Access::everything(), young).await.expect("cancelled");
    let prune = async |limit| harness.commands().prune(LEASE * 60, limit).await.expect("pruned");
    assert_eq!(prune(1).await, 1);
    assert_eq!(prune(10).await, 1);
    assert_eq!(prune(10).await, 0);
    for id in ended {
        assert_eq!(harness.commands().get(Access::everything(), id).await.expect("read"), None);
    }
    assert_eq!(status(harness, queued).await, CommandStatus::Queued);
    assert_eq!(status(harness, young).await, CommandStatus::Cancelled);
}

/// The id of the database stays the same.
pub async fn a_database_has_an_id(harness: &dyn StoreHarness) {
    let id = harness.commands().database_id().await.expect("read");
    assert!(!id.is_empty());
    assert_eq!(harness.commands().database_id().await.expect("read"), id);
}
