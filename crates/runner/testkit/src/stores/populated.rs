//! A database with a command in each state, for the tests of the migrations: [`populate`] fills one, and [`check`] reads
//! what an earlier version has filled.

use std::time::Duration;

use rdev_runner_domain::ports::ProjectChange;
use rdev_runner_domain::{
    Access, AgentEvent, AgentEventKind, AgentRequest, AgentResult, CommandId, CommandStatus, LeasedCommand,
    Outcome, PageRequest, PipelineStatus, Progress, ProjectName, RunReport,
};

use secrecy::ExposeSecret;

use super::StoreHarness;
use super::commands::{full_request, full_result};
use super::credentials::{draft, granted, put};
use super::events::every_kind;
use super::leases::attach;
use super::pipelines::{
    events as pipeline_events, found, get as get_pipeline, grant_to_repository, pipeline, trigger, use_id,
};
use super::projects::full;
use super::scene::{
    BEGINNING, add, add_changed, add_project, at, claim, claim_begun, get, message, pairs, published, record,
    report, status,
};
use crate::{command_id, project, request};

/// The migration with the credentials.
const WITH_CREDENTIALS: i64 = 20_261_129_150_000;

/// The migration with archived and vanishing projects.
const WITH_PROJECTS: i64 = 20_261_129_190_000;

/// The migration with the pipelines.
const WITH_PIPELINES: i64 = 20_261_129_191_000;

/// The migration with the triggers of pipelines.
const WITH_TRIGGERS: i64 = 20_261_129_215_500;

/// The migration with the beginnings of runs.
const WITH_BEGINNINGS: i64 = 20_261_130_020_000;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_RUNNING: u32 = 5;
const CHECKPOINT: &str = "{\"offset\":17}";

/// A project that is deleted once its command has ended.
const LEAVING: &str = "leaving";

/// Fills an empty database. The number of a command is its place in the list of [`check`].
pub async fn populate(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", MAX_RUNNING).await;
    add(harness, 1).await;
    let completed = claim(harness).await;
    let ended = Progress::Ended(Box::new(kept_result(Outcome::Completed)));
    say(harness, &completed, every_kind(), None, ended).await;
    add(harness, 2).await;
    cancel(harness, 2).await;
    for n in [3, 4] {
        add(harness, n).await;
        let leased = claim_begun(harness).await;
        let events = vec![message("One."), message("Two.")];
        say(harness, &leased, events, Some(CHECKPOINT.to_owned()), Progress::Running).await;
    }
    cancel(harness, 4).await;
    add(harness, 5).await;
    claim_begun(harness).await;
    harness.commands().create(&kept_request(6)).await.expect("created").expect("the project exists");
    put(harness, &draft("TOKEN", "the first value")).await;
    put(harness, &draft("TOKEN", "the second value")).await;
    granted(harness, "TOKEN", 3).await;
    assert!(harness.projects().create(&full()).await.expect("created"));
    add_project(harness, LEAVING, 1).await;
    add_changed(harness, 7, |draft| draft.project = leaving()).await;
    let begun = harness.projects().begin_deletion(Access::everything(), &leaving(), None).await;
    assert_eq!(begun.expect("answered"), ProjectChange::Applied);
    for n in [1, 2] {
        harness.pipelines().create(&pipeline(n)).await.expect("created");
    }
    let ended = found(2, PipelineStatus::Failure);
    assert!(harness.pipelines().record_pipeline(pipeline(2).id, &ended).await.expect("recorded"));
    grant_to_repository(harness).await;
    harness.pipelines().begin_trigger(&trigger(3)).await.expect("stored");
}

/// Reads a database that [`populate`] has filled, a day later, and continues its commands.
///
/// `version` is the newest migration that it had.
pub async fn check(harness: &dyn StoreHarness, version: i64) {
    harness.advance(DAY).await;
    if version >= WITH_CREDENTIALS {
        check_credentials(harness).await;
    }
    if version >= WITH_PROJECTS {
        check_projects(harness).await;
    }
    if version >= WITH_PIPELINES {
        check_pipelines(harness).await;
    }
    if version >= WITH_TRIGGERS {
        let triggers = harness.pipelines().unanswered_triggers(Duration::ZERO, 10).await.expect("read");
        assert_eq!(triggers, [trigger(3)]);
    }
    let expected = project("my-project");
    let stored = harness.projects().get(Access::everything(), &expected.name).await.expect("read");
    let mut settings = expected.settings().clone();
    settings.max_running = MAX_RUNNING;
    assert_eq!(stored.expect("it exists").settings(), &settings);
    let statuses = [
        CommandStatus::Completed,
        CommandStatus::Cancelled,
        CommandStatus::Running,
        CommandStatus::Cancelling,
        CommandStatus::Starting,
        CommandStatus::Queued,
    ];
    for (n, expected) in (1..).zip(statuses) {
        assert_eq!(status(harness, command_id(n)).await, expected, "command {n}");
    }
    assert_eq!(get(harness, command_id(1)).await.result, Some(kept_result(Outcome::Completed)));
    assert_eq!(events(harness, command_id(1)).await, every_kind());
    for n in [3, 4, 5] {
        let leased = attach(harness, "host-1").await.expect("its runner has died");
        let beginning = (version >= WITH_BEGINNINGS).then_some(BEGINNING);
        let (seq, checkpoint) = if n == 5 { (0, beginning) } else { (2, Some(CHECKPOINT)) };
        assert_eq!((leased.lease.command, leased.last_seq), (command_id(n), seq));
        assert_eq!(leased.checkpoint.as_deref(), checkpoint);
        let outcome = if n == 4 { Outcome::Cancelled } else { Outcome::Completed };
        let ended = Progress::Ended(Box::new(kept_result(outcome)));
        record(harness, leased.lease, report(seq, &["Three."], ended)).await;
        assert_eq!(get(harness, command_id(n)).await.state.outcome(), Some(outcome));
        assert_eq!(published(harness, command_id(n)).await.len(), 1, "its end");
    }
    assert_eq!(events(harness, command_id(3)).await, ["One.", "Two.", "Three."].map(message));
    assert_eq!(attach(harness, "host-1").await, None);
    assert_eq!(claim(harness).await.request, kept_request(6));
    assert_eq!(published(harness, command_id(6)).await, pairs(&[("command.started", "starting")]));
    let old = harness.commands().prune(Duration::from_secs(60 * 60), 100).await.expect("pruned");
    assert_eq!(old, 2, "those that ended before");
}

async fn check_credentials(harness: &dyn StoreHarness) {
    let found = granted(harness, "TOKEN", 3).await;
    assert_eq!((found.version, found.value.text().expose_secret()), (2, "the second value"));
    put(harness, &draft("TOKEN", "the third value")).await;
    assert_eq!(granted(harness, "TOKEN", 6).await.version, 3);
}

async fn check_projects(harness: &dyn StoreHarness) {
    let projects = harness.projects();
    let archived = projects.get(Access::everything(), &full().name).await.expect("read");
    assert_eq!(archived, Some(full()));
    let unfinished = projects.commands_to_cancel(10).await.expect("read");
    assert_eq!(unfinished, [command_id(7)]);
    assert_eq!(projects.finish_deletions().await.expect("answered"), []);
    cancel(harness, 7).await;
    assert_eq!(projects.finish_deletions().await.expect("deleted"), [leaving()]);
}

async fn check_pipelines(harness: &dyn StoreHarness) {
    let pipelines = harness.pipelines();
    assert_eq!(pipelines.unended(10).await.expect("read"), [pipeline(1)]);
    let success = found(1, PipelineStatus::Success);
    assert!(pipelines.record_pipeline(pipeline(1).id, &success).await.expect("recorded"));
    let published = pipeline_events(harness).await;
    assert_eq!(published.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["woodpecker-82-1"]);
    let failed = get_pipeline(harness, 2).await;
    assert_eq!((failed.found, failed.ended_at.is_some()), (found(2, PipelineStatus::Failure), true));
    let (token, page) = ("TOKEN".parse().expect("a name"), PageRequest { limit: 10, before: None });
    let uses = harness.credentials().uses(Access::everything(), &token, page).await.expect("read").items;
    let of_repository: Vec<_> = uses.into_iter().filter(|used| used.command == use_id()).collect();
    assert_eq!(of_repository.len(), 1);
    assert_eq!(of_repository[0].repository, Some(pipeline(1).repository));
}

fn leaving() -> ProjectName {
    LEAVING.parse().expect("a name")
}

/// Returns a request as the first fixtures have it, which know no variables.
fn kept_request(n: u8) -> AgentRequest {
    let mut draft = full_request(n).draft().clone();
    draft.environment.clear();
    request(draft)
}

/// Returns a result as the first fixtures have it, which know no branches.
fn kept_result(outcome: Outcome) -> AgentResult {
    let mut result = full_result(outcome);
    if let Some(changes) = &mut result.changes {
        changes.branch = None;
    }
    result
}

async fn cancel(harness: &dyn StoreHarness, n: u8) {
    harness.commands().cancel(Access::everything(), command_id(n)).await.expect("answered");
}

async fn say(
    harness: &dyn StoreHarness,
    leased: &LeasedCommand,
    events: Vec<AgentEventKind>,
    checkpoint: Option<String>,
    progress: Progress,
) {
    let events = events.into_iter().map(|event| (at(), event)).collect();
    record(harness, leased.lease, RunReport { after_seq: 0, events, checkpoint, progress }).await;
}

async fn events(harness: &dyn StoreHarness, id: CommandId) -> Vec<AgentEventKind> {
    let page = harness.commands().events(Access::everything(), id, 0, 100).await.expect("read");
    let events: Vec<AgentEvent> = page.expect("the command exists").events;
    assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
    events.into_iter().map(|event| event.kind).collect()
}
