//! Pipelines.

use std::time::Duration;

use rdev_runner_domain::ports::CredentialGrant;
use rdev_runner_domain::{
    Access, CiPipeline, CommandId, PageRequest, Pipeline, PipelineId, PipelineStatus, PipelineTrigger,
    ProjectName, Timestamp,
};

use super::StoreHarness;
use super::credentials::{draft, put};
use super::scene::at;

fn id(n: u8) -> PipelineId {
    PipelineId::from_parts(Timestamp::from_millis(1_736_937_000_000), [n; 10])
}

fn project(text: &str) -> ProjectName {
    text.parse().expect("a name")
}

pub(super) fn found(n: u8, status: PipelineStatus) -> CiPipeline {
    let number = u64::from(n);
    let (branch, commit) = ("main".to_owned(), "3f0c1d7e".to_owned());
    CiPipeline { number, status, branch, commit, url: format!("https://ci.example/repos/7/pipeline/{n}") }
}

pub(super) fn pipeline(n: u8) -> Pipeline {
    Pipeline {
        id: id(n),
        project: project("my-project"),
        repository: "acme/billing".parse().expect("a repository"),
        repository_id: 7,
        forge_id: "82".to_owned(),
        found: found(n, PipelineStatus::Pending),
        created_at: at(),
        ended_at: None,
    }
}

pub(super) async fn get(harness: &dyn StoreHarness, n: u8) -> Pipeline {
    harness.pipelines().get(Access::everything(), id(n)).await.expect("read").expect("the pipeline exists")
}

pub(super) async fn events(harness: &dyn StoreHarness) -> Vec<(String, String)> {
    let published = harness.published().await.into_iter();
    published
        .filter(|(event_type, _, _)| event_type == Pipeline::COMPLETED)
        .map(|(_, key, data)| (key, data))
        .collect()
}

/// Returns the trigger of [`pipeline`].
pub(super) fn trigger(n: u8) -> PipelineTrigger {
    let Pipeline { id, project, repository, repository_id, forge_id, created_at, .. } = pipeline(n);
    PipelineTrigger { id, project, repository, repository_id, forge_id, created_at }
}

/// A trigger that was sent long ago is found until its pipeline is stored, or until none comes of it.
pub async fn a_trigger_is_kept_until_its_pipeline_is_stored(harness: &dyn StoreHarness) {
    const AGE: Duration = Duration::from_secs(60);
    let pipelines = harness.pipelines();
    let other = PipelineTrigger { repository_id: 8, ..trigger(1) };
    for (sent, is_new) in [(trigger(1), true), (other, false), (trigger(2), true)] {
        assert_eq!(pipelines.begin_trigger(&sent).await.expect("stored"), is_new);
    }
    assert_eq!(pipelines.trigger(id(1)).await.expect("read"), Some(trigger(1)));
    assert_eq!(pipelines.trigger(id(3)).await.expect("read"), None);
    let old = async |limit| pipelines.unanswered_triggers(AGE, limit).await.expect("read");
    assert_eq!(old(10).await, []);
    harness.advance(AGE + Duration::from_secs(1)).await;
    pipelines.begin_trigger(&trigger(3)).await.expect("stored");
    assert_eq!((old(10).await, old(1).await), (vec![trigger(1), trigger(2)], vec![trigger(1)]));
    pipelines.create(&pipeline(1)).await.expect("created");
    assert_eq!(old(10).await, [trigger(2)]);
    pipelines.drop_trigger(id(2)).await.expect("deleted");
    assert_eq!(old(10).await, []);
    assert_eq!(pipelines.unended(10).await.expect("read"), [pipeline(1)]);
    assert_eq!(pipelines.trigger(id(3)).await.expect("read"), Some(trigger(3)));
}

/// Every field survives, and an id is given once.
pub async fn a_pipeline_is_kept_exactly(harness: &dyn StoreHarness) {
    let first = pipeline(1);
    for _ in 0..2 {
        harness.pipelines().create(&first).await.expect("created");
        assert_eq!(get(harness, 1).await, first);
    }
    let other = Pipeline { found: found(9, PipelineStatus::Running), ..first.clone() };
    harness.pipelines().create(&other).await.expect("answered");
    assert_eq!(get(harness, 1).await, first);
    assert_eq!(events(harness).await, []);
    let ended = Pipeline { ended_at: Some(at()), found: found(2, PipelineStatus::Skipped), ..pipeline(2) };
    for _ in 0..2 {
        harness.pipelines().create(&ended).await.expect("created");
    }
    assert_eq!(get(harness, 2).await, ended);
    assert_eq!(events(harness).await.len(), 1);
}

/// Pages follow each other, and show one project to its callers.
pub async fn pipelines_are_paged_newest_first(harness: &dyn StoreHarness) {
    for n in 1..=5 {
        harness.pipelines().create(&pipeline(n)).await.expect("created");
    }
    let of_other = Pipeline { project: project("other"), ..pipeline(6) };
    harness.pipelines().create(&of_other).await.expect("created");
    let list = async |access: &Access, before| {
        let page = PageRequest { limit: 2, before };
        harness.pipelines().list(access, &project("my-project"), page).await.expect("listed")
    };
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = list(Access::everything(), before).await;
        seen.extend(page.items.iter().map(|pipeline| pipeline.found.number));
        before = page.items.last().map(|pipeline| pipeline.id);
        if !page.has_more {
            break;
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    let stranger = Access::new([]).with_projects([project("other")]);
    assert_eq!(list(&stranger, None).await.items, []);
    assert_eq!(harness.pipelines().get(&stranger, id(1)).await.expect("read"), None);
    assert!(harness.pipelines().get(&stranger, id(6)).await.expect("read").is_some());
}

/// One that was just looked at comes last.
pub async fn unended_pipelines_take_turns(harness: &dyn StoreHarness) {
    for n in 1..=3 {
        harness.pipelines().create(&pipeline(n)).await.expect("created");
    }
    let mut seen = Vec::new();
    for _ in 0..6 {
        harness.advance(Duration::from_secs(1)).await;
        let next = harness.pipelines().unended(1).await.expect("read").remove(0);
        harness.pipelines().record_pipeline(next.id, &next.found).await.expect("recorded");
        seen.push(next.found.number);
    }
    for turn in seen.chunks_mut(3) {
        turn.sort_unstable();
        assert_eq!(turn, [1, 2, 3]);
    }
}

/// Of many that find the end, one publishes it, and nothing changes afterwards.
pub async fn the_end_of_a_pipeline_is_published_once(harness: &dyn StoreHarness) {
    harness.pipelines().create(&pipeline(1)).await.expect("created");
    let running = found(1, PipelineStatus::Running);
    assert!(!harness.pipelines().record_pipeline(id(1), &running).await.expect("recorded"));
    assert_eq!(get(harness, 1).await.found, running);
    let records: Vec<_> = (0..8)
        .map(|_| {
            let pipelines = harness.pipelines();
            tokio::spawn(async move {
                pipelines.record_pipeline(id(1), &found(1, PipelineStatus::Success)).await.expect("recorded")
            })
        })
        .collect();
    let mut ended = 0;
    for record in records {
        ended += u32::from(record.await.expect("no panic"));
    }
    assert_eq!(ended, 1);
    assert!(
        !harness
            .pipelines()
            .record_pipeline(id(1), &found(1, PipelineStatus::Failure))
            .await
            .expect("answered")
    );
    let stored = get(harness, 1).await;
    assert_eq!((stored.found.status, stored.ended_at.is_some()), (PipelineStatus::Success, true));
    assert_eq!(harness.pipelines().unended(10).await.expect("read"), []);
    let published = events(harness).await;
    assert_eq!(published.len(), 1);
    assert_eq!(published[0].0, "woodpecker-82-1");
    for part in ["\"status\":\"success\"", "\"repository\":\"acme/billing\"", "\"number\":1"] {
        assert!(published[0].1.contains(part), "{}", published[0].1);
    }
}

/// Only what ended before is deleted.
pub async fn old_pipelines_are_pruned(harness: &dyn StoreHarness) {
    for n in 1..=3 {
        harness.pipelines().create(&pipeline(n)).await.expect("created");
    }
    harness.pipelines().record_pipeline(id(1), &found(1, PipelineStatus::Success)).await.expect("recorded");
    harness.advance(Duration::from_secs(100)).await;
    harness.pipelines().record_pipeline(id(2), &found(2, PipelineStatus::Success)).await.expect("recorded");
    let prune =
        async || harness.pipelines().prune_pipelines(Duration::from_secs(50), 10).await.expect("pruned");
    assert_eq!((prune().await, prune().await), (1, 0));
    assert_eq!(harness.pipelines().get(Access::everything(), id(1)).await.expect("read"), None);
}

/// A use without a command names the repository.
pub async fn a_use_by_pipelines_names_the_repository(harness: &dyn StoreHarness) {
    let name = "TOKEN".parse().expect("a name");
    put(harness, &draft("TOKEN", "the value")).await;
    for _ in 0..2 {
        grant_to_repository(harness).await;
    }
    let page = PageRequest { limit: 10, before: None };
    let uses = harness.credentials().uses(Access::everything(), &name, page).await.expect("listed").items;
    assert_eq!(uses.len(), 1);
    assert_eq!((uses[0].command, &uses[0].repository), (use_id(), &Some(pipeline(1).repository)));
}

/// Returns the id of a use by pipelines.
pub(super) fn use_id() -> CommandId {
    CommandId::from_parts(at(), [9; 10])
}

/// Grants the credential `TOKEN` to the repository of [`pipeline`].
pub(super) async fn grant_to_repository(harness: &dyn StoreHarness) {
    let name = "TOKEN".parse().expect("a name");
    let Pipeline { project, repository, .. } = pipeline(1);
    let granted = harness.credentials().grant_to_repository(&name, use_id(), &project, &repository).await;
    assert!(matches!(granted.expect("answered"), CredentialGrant::Granted(_)));
}
