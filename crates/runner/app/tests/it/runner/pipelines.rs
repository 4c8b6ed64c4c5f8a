//! Pipelines that the runner follows.

use std::sync::Arc;
use std::time::Duration;

use rdev_runner_app::DemoAgent;
use rdev_runner_domain::{Access, CiPipeline, Pipeline, PipelineId, PipelineStatus, Timestamp};
use rdev_runner_testkit::ScriptedCi;

use super::scene::{PROJECT, Scene, registry};

const PATIENCE: Duration = Duration::from_secs(3_600);

fn pipeline(created_at: Timestamp) -> Pipeline {
    let (branch, commit) = ("main".to_owned(), "3f0c1d7e".to_owned());
    let found = CiPipeline { number: 3, status: PipelineStatus::Pending, branch, commit, url: String::new() };
    Pipeline {
        id: PipelineId::from_parts(Timestamp::EPOCH, [1; 10]),
        project: PROJECT.parse().unwrap(),
        repository: "acme/billing".parse().unwrap(),
        repository_id: 7,
        forge_id: "82".to_owned(),
        found,
        created_at,
        ended_at: None,
    }
}

/// Follows the pipeline with a server that finds this, and returns its end.
async fn followed(looks: &[Result<PipelineStatus, ()>], created_at: Timestamp) -> Pipeline {
    let (mut scene, store, _) = Scene::in_memory(registry(DemoAgent::new("claude".parse().unwrap()))).await;
    let ci = Arc::new(ScriptedCi::default());
    ci.world().looks.extend(looks);
    scene.ports.ci = Some(ci);
    let pipeline = pipeline(created_at);
    scene.ports.pipelines.create(&pipeline).await.unwrap();
    let runner = scene.start();
    let waiting = async {
        let mut pauses = tokio::time::interval(Duration::from_millis(100));
        loop {
            let found = scene.ports.pipelines.get(Access::everything(), pipeline.id).await.unwrap().unwrap();
            if found.ended_at.is_some() {
                return found;
            }
            pauses.tick().await;
        }
    };
    let ended = tokio::time::timeout(PATIENCE, waiting).await.expect("the pipeline ends in time");
    runner.stop().await.unwrap();
    let published: Vec<_> =
        store.published().into_iter().map(|event| (event.event_type, event.key)).collect();
    assert_eq!(published, [(Pipeline::COMPLETED, "woodpecker-82-3".to_owned())]);
    ended
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_is_followed_to_its_end_through_outages() {
    let looks = [Ok(PipelineStatus::Running), Err(()), Err(()), Ok(PipelineStatus::Success)];
    let ended = followed(&looks, rdev_app::Ambient::system().now()).await;
    assert_eq!((ended.found.status, ended.found.number), (PipelineStatus::Success, 3));
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_does_not_end_is_lost() {
    let ended = followed(&[Err(())], Timestamp::EPOCH).await;
    assert_eq!(ended.found.status, PipelineStatus::Lost);
}
