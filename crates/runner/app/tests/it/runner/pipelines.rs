//! Pipelines that the runner follows.

use std::collections::BTreeMap;
use std::iter::repeat_n;
use std::sync::Arc;
use std::time::Duration;

use rdev_runner_app::DemoAgent;
use rdev_runner_domain::{
    Access, CiPipeline, Pipeline, PipelineId, PipelineStatus, PipelineTrigger, Timestamp,
};
use rdev_runner_testkit::{Look, ManualClock, MemoryStore, ScriptedCi};

use super::scene::{PROJECT, Scene, registry};

const PATIENCE: Duration = Duration::from_secs(2 * 3_600);

fn id() -> PipelineId {
    PipelineId::from_parts(Timestamp::EPOCH, [1; 10])
}

fn pipeline(created_at: Timestamp) -> Pipeline {
    let (branch, commit) = ("main".to_owned(), "3f0c1d7e".to_owned());
    let found = CiPipeline { number: 3, status: PipelineStatus::Pending, branch, commit, url: String::new() };
    Pipeline {
        id: id(),
        project: PROJECT.parse().unwrap(),
        repository: "acme/billing".parse().unwrap(),
        repository_id: 7,
        forge_id: "82".to_owned(),
        found,
        created_at,
        ended_at: None,
    }
}

/// Follows the pipeline with a server that finds this, and returns its end, and how often the runner looked.
async fn followed(looks: impl IntoIterator<Item = Look>, created_at: Timestamp) -> (PipelineStatus, usize) {
    let (mut scene, store, _) = in_memory().await;
    let ci = Arc::new(ScriptedCi::default());
    ci.world().looks.extend(looks);
    scene.ports.ci = Some(Arc::<ScriptedCi>::clone(&ci));
    scene.ports.pipelines.create(&pipeline(created_at)).await.unwrap();
    let runner = scene.start();
    let ended = until_ended(&scene).await;
    runner.stop().await.unwrap();
    assert_eq!(published(&store), ["woodpecker-82-3"]);
    let looked = ci.world().looked;
    (ended.found.status, looked)
}

async fn in_memory() -> (Scene, Arc<MemoryStore>, Arc<ManualClock>) {
    Scene::in_memory(registry(DemoAgent::new("claude".parse().unwrap()))).await
}

/// Waits until the store says something of the pipeline.
async fn until<T>(scene: &Scene, said: impl AsyncFn(&Scene) -> Option<T>) -> T {
    let waiting = async {
        let mut pauses = tokio::time::interval(Duration::from_millis(100));
        loop {
            if let Some(said) = said(scene).await {
                return said;
            }
            pauses.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it happens in time")
}

async fn until_ended(scene: &Scene) -> Pipeline {
    until(scene, async |scene| {
        let found = scene.ports.pipelines.get(Access::everything(), id()).await.unwrap();
        found.filter(|found| found.ended_at.is_some())
    })
    .await
}

/// Returns the keys of the published ends of pipelines.
fn published(store: &MemoryStore) -> Vec<String> {
    let published = store.published().into_iter();
    published.filter(|event| event.event_type == Pipeline::COMPLETED).map(|event| event.key).collect()
}

fn now() -> Timestamp {
    rdev_app::Ambient::system().now()
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_is_followed_to_its_end_through_outages_and_refusals() {
    let success = Look::Found(PipelineStatus::Success);
    let looks = [
        Look::Found(PipelineStatus::Running),
        Look::Outage,
        Look::Refused,
        Look::Outage,
        Look::Refused,
        success,
    ];
    assert_eq!(followed(looks, now()).await, (PipelineStatus::Success, 6));
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_does_not_end_is_lost() {
    assert_eq!(followed([Look::Outage], Timestamp::EPOCH).await, (PipelineStatus::Lost, 1));
    assert_eq!(followed([Look::Refused], Timestamp::EPOCH).await, (PipelineStatus::Lost, 1));
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_the_server_has_forgotten_is_lost_at_once() {
    assert_eq!(followed([Look::Forgotten], now()).await, (PipelineStatus::Lost, 1));
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_the_server_refuses_to_show_is_lost_after_an_hour() {
    let (status, looked) = followed(repeat_n(Look::Refused, 2_000), now()).await;
    assert_eq!(status, PipelineStatus::Lost);
    // One every five seconds.
    assert!((721..=730).contains(&looked), "{looked}");
}

fn trigger(created_at: Timestamp) -> PipelineTrigger {
    let Pipeline { id, project, repository, repository_id, forge_id, .. } = pipeline(created_at);
    PipelineTrigger { id, project, repository, repository_id, forge_id, created_at }
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_whose_trigger_was_not_answered_is_found_and_followed() {
    let (mut scene, store, clock) = in_memory().await;
    let ci = Arc::new(ScriptedCi::default());
    let variables = [(PipelineTrigger::ID_VARIABLE.to_owned(), id().to_string())];
    for variables in [BTreeMap::new(), variables.into()] {
        ci.world().triggered.push(("main".to_owned(), variables));
    }
    ci.world().looks.extend([Look::Found(PipelineStatus::Running), Look::Found(PipelineStatus::Failure)]);
    scene.ports.ci = Some(ci);
    scene.ports.pipelines.begin_trigger(&trigger(now())).await.unwrap();
    clock.advance(Duration::from_secs(61));
    let runner = scene.start();
    let ended = until_ended(&scene).await;
    runner.stop().await.unwrap();
    assert_eq!((ended.found.number, ended.found.status), (2, PipelineStatus::Failure));
    assert_eq!(ended.project.as_str(), PROJECT);
    assert_eq!(published(&store), ["woodpecker-82-2"]);
    assert_eq!(scene.ports.pipelines.trigger(id()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_trigger_without_a_pipeline_is_dropped() {
    let (mut scene, store, clock) = in_memory().await;
    scene.ports.ci = Some(Arc::new(ScriptedCi::default()));
    // The server may still work on the request of the second.
    let second = PipelineTrigger { id: PipelineId::from_parts(Timestamp::EPOCH, [2; 10]), ..trigger(now()) };
    for trigger in [trigger(Timestamp::EPOCH), second.clone()] {
        scene.ports.pipelines.begin_trigger(&trigger).await.unwrap();
    }
    clock.advance(Duration::from_secs(61));
    let runner = scene.start();
    until(&scene, async |scene| scene.ports.pipelines.trigger(id()).await.unwrap().is_none().then_some(()))
        .await;
    runner.stop().await.unwrap();
    assert_eq!(scene.ports.pipelines.trigger(second.id).await.unwrap(), Some(second));
    assert_eq!(published(&store), Vec::<String>::new());
}
