//! Claims.

use std::collections::BTreeSet;

use rdev_runner_domain::{
    AgentEventKind, AgentProvider, ClaimRequest, CommandStatus, Progress, QueueLimits, RequestDraft,
    RunReport, Session, WaitReason, Waiting,
};

use super::StoreHarness;
use super::scene::{
    LEASE, add, add_changed, add_project, at, claim, claim_begun, claim_with, complete, host, limits, record,
    status, token,
};

fn demo() -> AgentProvider {
    "demo".parse().expect("a provider")
}

fn of_project(name: &str) -> impl FnOnce(&mut RequestDraft) + Send + use<> {
    let project = name.parse().expect("a name");
    |draft| draft.project = project
}

/// Each command goes to one claimant.
pub async fn concurrent_claims_share_nothing(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 100).await;
    for n in 0..24 {
        add(harness, n).await;
    }
    let claimants: Vec<_> = (0..8)
        .map(|_| {
            let queue = harness.queue();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                loop {
                    let claim = ClaimRequest {
                        host: host("host-1"),
                        token: token(),
                        lease_for: LEASE,
                        limits: limits(),
                    };
                    match queue.claim(&claim).await.expect("claimed") {
                        Some(leased) => taken.push(leased.lease.command),
                        None => return taken,
                    }
                }
            })
        })
        .collect();
    let mut taken = Vec::new();
    for claimant in claimants {
        taken.extend(claimant.await.expect("no panic"));
    }
    assert_eq!(taken.len(), 24);
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 24);
}

/// Neither an expired lease nor an end makes a command claimable.
pub async fn a_started_command_is_never_claimed_again(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    let id = add(harness, 1).await;
    let leased = claim_begun(harness).await;
    assert_eq!((leased.lease.command, leased.state.status()), (id, CommandStatus::Starting));
    harness.advance(LEASE * 100).await;
    assert_eq!(claim_with(harness, limits()).await, None);
    complete(harness, &leased).await;
    assert_eq!(claim_with(harness, limits()).await, None);
}

/// The queue is in the order of the ids, and a command that may not run holds back no other.
pub async fn the_oldest_command_starts_first(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    add_project(harness, "other", 1).await;
    let second = add(harness, 2).await;
    let first = add(harness, 1).await;
    let third = add_changed(harness, 3, of_project("other")).await;
    let leased = claim(harness).await;
    assert_eq!(leased.lease.command, first);
    assert_eq!(claim(harness).await.lease.command, third);
    complete(harness, &leased).await;
    assert_eq!(claim(harness).await.lease.command, second);
}

/// However many claim, no limit is exceeded.
pub async fn limits_hold_for_all_claimants_together(harness: &dyn StoreHarness) {
    for project in ["a", "b", "c", "d"] {
        add_project(harness, project, 2).await;
    }
    for n in 0..32 {
        let project = ["a", "b", "c", "d"][usize::from(n % 4)];
        let provider = if n % 2 == 0 { AgentProvider::claude() } else { demo() };
        add_changed(harness, n, |draft| {
            draft.project = project.parse().expect("a name");
            draft.provider = provider;
        })
        .await;
    }
    // The projects a and c have commands of claude, which may be 3 of the 6.
    let limits =
        QueueLimits { max_running: 6, providers: [(AgentProvider::claude(), 3), (demo(), 100)].into() };
    let claimants: Vec<_> = (0..16)
        .map(|_| {
            let queue = harness.queue();
            let limits = limits.clone();
            let claim = ClaimRequest { host: host("host-1"), token: token(), lease_for: LEASE, limits };
            tokio::spawn(async move { queue.claim(&claim).await.expect("claimed") })
        })
        .collect();
    let mut running: Vec<String> = Vec::new();
    for claimant in claimants {
        if let Some(leased) = claimant.await.expect("no panic") {
            let draft = leased.request.draft();
            running.push(format!("{} {}", draft.project, draft.provider));
        }
    }
    let count = |suffix: &str| running.iter().filter(|one| one.contains(suffix)).count();
    assert_eq!(running.len(), 6, "{running:?}");
    assert!(count("claude") <= 3, "{running:?}");
    for project in ["a ", "b ", "c ", "d "] {
        assert!(count(project) <= 2, "{running:?}");
    }
}

/// A limit holds a command back, and is the reason that is shown.
pub async fn each_limit_holds_commands_back(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    add_project(harness, "other", 9).await;
    let running = add(harness, 1).await;
    let same_project = add(harness, 2).await;
    let other_project = add_changed(harness, 3, of_project("other")).await;
    claim(harness).await;
    let first = |max_running, claude| QueueLimits {
        max_running,
        providers: [(AgentProvider::claude(), claude), (demo(), 9)].into(),
    };
    let waiting = async |limits: &QueueLimits, id| {
        harness.queue().waiting(limits, &[id]).await.expect("read").remove(0)
    };
    let place = |position, reason| Some(Waiting { position, reason });
    let free = first(9, 9);
    assert_eq!(waiting(&free, running).await, None);
    assert_eq!(waiting(&free, same_project).await, place(1, WaitReason::Project));
    assert_eq!(waiting(&free, other_project).await, place(2, WaitReason::Runner));
    for (limits, reason) in [(first(1, 9), WaitReason::MaxRunning), (first(9, 1), WaitReason::Provider)] {
        assert_eq!(waiting(&limits, other_project).await, place(2, reason));
        assert_eq!(claim_with(harness, limits).await, None, "{reason:?}");
    }
    let both = harness.queue().waiting(&free, &[other_project, crate::command_id(99), same_project]).await;
    let expected = [place(2, WaitReason::Runner), None, place(1, WaitReason::Project)];
    assert_eq!(both.expect("read"), expected);
    assert_eq!(claim_with(harness, free).await.map(|leased| leased.lease.command), Some(other_project));
}

/// A runner without the agent leaves the command to others.
pub async fn a_runner_gets_commands_of_its_providers_alone(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    let first = add(harness, 1).await;
    let second = add_changed(harness, 2, |draft| draft.provider = demo()).await;
    let only_demo = QueueLimits { max_running: 9, providers: [(demo(), 9)].into() };
    let leased = claim_with(harness, only_demo.clone()).await.expect("a command may run");
    assert_eq!(leased.lease.command, second);
    assert_eq!(claim_with(harness, only_demo.clone()).await, None);
    let waiting = harness.queue().waiting(&only_demo, &[first]).await.expect("read").remove(0);
    assert_eq!(waiting, Some(Waiting { position: 1, reason: WaitReason::Runner }));
    assert_eq!(status(harness, first).await, CommandStatus::Queued);
}

/// A session is continued by one command at a time.
pub async fn one_command_at_a_time_runs_on_a_session(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    add_project(harness, "other", 9).await;
    let session = || "ses_1".parse().expect("a session");
    let resume = |draft: &mut RequestDraft| draft.session = Session::Resume(session());
    add(harness, 1).await;
    let first = claim(harness).await;
    let events = vec![(at(), AgentEventKind::SessionStarted { session: session(), model: None })];
    let report = RunReport { after_seq: 0, events, checkpoint: None, progress: Progress::Running };
    record(harness, first.lease, report).await;
    let second = add_changed(harness, 2, resume).await;
    let third = add_changed(harness, 3, resume).await;
    let waiting = harness.queue().waiting(&limits(), &[second]).await.expect("read").remove(0);
    assert_eq!(waiting, Some(Waiting { position: 1, reason: WaitReason::Session }));
    assert_eq!(claim_with(harness, limits()).await, None);
    let elsewhere = add_changed(harness, 4, |draft| {
        resume(draft);
        draft.project = "other".parse().expect("a name");
    })
    .await;
    assert_eq!(claim(harness).await.lease.command, elsewhere);
    let first = rdev_runner_domain::LeasedCommand { last_seq: 1, ..first };
    complete(harness, &first).await;
    let leased = claim(harness).await;
    assert_eq!(leased.lease.command, second);
    assert_eq!(claim_with(harness, limits()).await, None);
    complete(harness, &leased).await;
    assert_eq!(claim(harness).await.lease.command, third);
}
