//! What the tests of the suite do again and again.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rdev_runner_domain::{
    Access, AgentEventKind, AgentResult, ClaimRequest, ClusterId, Command, CommandId, CommandStatus, Host,
    LeaseRef, LeaseState, LeaseToken, LeasedCommand, Outcome, Progress, QueueLimits, RequestDraft,
    RunBeginning, RunReport, Timestamp, Usage,
};

use super::StoreHarness;
use crate::{draft, project, request};

pub(super) const LEASE: Duration = Duration::from_secs(60);

/// Returns a token that no other call returns.
pub(super) fn token() -> LeaseToken {
    static NEXT: AtomicI64 = AtomicI64::new(1);
    LeaseToken::new(NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(super) fn host(name: &str) -> Host {
    name.parse().expect("a host")
}

/// Returns limits that hold nothing back.
pub(super) fn limits() -> QueueLimits {
    let providers = ["claude", "demo"].map(|name| (name.parse().expect("a provider"), 100));
    QueueLimits { max_running: 100, providers: providers.into() }
}

pub(super) async fn add_project(harness: &dyn StoreHarness, name: &str, max_running: u32) {
    let plain = project(name);
    let mut settings = plain.settings().clone();
    settings.max_running = max_running;
    let project =
        rdev_runner_domain::Project::new(plain.name, settings, plain.created_at).expect("no faults");
    assert!(harness.projects().create(&project).await.expect("created"));
}

/// Queues the `n`-th command, of the project `my-project`.
pub(super) async fn add(harness: &dyn StoreHarness, n: u8) -> CommandId {
    add_changed(harness, n, |_| ()).await
}

pub(super) async fn add_changed(
    harness: &dyn StoreHarness,
    n: u8,
    change: impl FnOnce(&mut RequestDraft) + Send,
) -> CommandId {
    let mut draft = draft(n, "Fix the failing test.");
    change(&mut draft);
    let command = harness.commands().create(&request(draft)).await.expect("created");
    command.expect("the project exists").id
}

pub(super) async fn claim_with(harness: &dyn StoreHarness, limits: QueueLimits) -> Option<LeasedCommand> {
    let claim = ClaimRequest { host: host("host-1"), token: token(), lease_for: LEASE, limits };
    harness.queue().claim(&claim).await.expect("claimed")
}

pub(super) async fn claim(harness: &dyn StoreHarness) -> LeasedCommand {
    claim_with(harness, limits()).await.expect("a command may run")
}

/// The checkpoint with which commands begin.
pub(super) const BEGINNING: &str = "0";

pub(super) async fn begin(
    harness: &dyn StoreHarness,
    lease: LeaseRef,
    cluster: Option<ClusterId>,
) -> LeaseState {
    let beginning = RunBeginning { cluster, checkpoint: BEGINNING.to_owned() };
    harness.queue().begin(&lease, &beginning).await.expect("answered")
}

/// Claims a command, which begins on its host.
pub(super) async fn claim_begun(harness: &dyn StoreHarness) -> LeasedCommand {
    let leased = claim(harness).await;
    begin(harness, leased.lease, None).await;
    leased
}

pub(super) async fn get(harness: &dyn StoreHarness, id: CommandId) -> Command {
    harness.commands().get(Access::everything(), id).await.expect("read").expect("the command exists")
}

pub(super) async fn status(harness: &dyn StoreHarness, id: CommandId) -> CommandStatus {
    get(harness, id).await.state.status()
}

pub(super) fn message(text: &str) -> AgentEventKind {
    AgentEventKind::Message { text: text.to_owned(), parent: None }
}

pub(super) fn at() -> Timestamp {
    Timestamp::from_micros(1_736_937_000_123_456)
}

/// Returns a report of these messages.
pub(super) fn report(after_seq: u64, messages: &[&str], progress: Progress) -> RunReport {
    let events = messages.iter().map(|text| (at(), message(text))).collect();
    RunReport { after_seq, events, checkpoint: None, progress }
}

pub(super) fn result(outcome: Outcome) -> AgentResult {
    AgentResult {
        outcome,
        detail: None,
        exit_code: Some(0),
        duration: Duration::from_millis(5_432),
        session: None,
        text: "Done.".to_owned(),
        usage: Usage::default(),
        cost: None,
        denials: Vec::new(),
        changes: None,
    }
}

pub(super) async fn record(harness: &dyn StoreHarness, lease: LeaseRef, report: RunReport) -> LeaseState {
    harness.queue().record(&lease, &report).await.expect("recorded")
}

/// Ends a command without events, as completed.
pub(super) async fn complete(harness: &dyn StoreHarness, leased: &LeasedCommand) {
    let progress = Progress::Ended(Box::new(result(Outcome::Completed)));
    let held = record(harness, leased.lease, report(leased.last_seq, &[], progress)).await;
    assert!(matches!(held, LeaseState::Held { .. }), "{held:?}");
}

/// Returns the types and keys of the published events of a command, sorted.
pub(super) async fn published(harness: &dyn StoreHarness, id: CommandId) -> Vec<(String, String)> {
    let all = harness.published().await.into_iter();
    let prefix = format!("{id}:");
    let mut own: Vec<_> = all
        .filter_map(|(event_type, key, _)| Some((event_type, key.strip_prefix(&prefix)?.to_owned())))
        .collect();
    own.sort();
    own
}

pub(super) fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(event_type, state)| ((*event_type).to_owned(), (*state).to_owned())).collect()
}
