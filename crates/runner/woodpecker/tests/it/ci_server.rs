//! The port [`CiServer`].

use std::collections::BTreeMap;

use rdev_runner_domain::ports::{CiError, CiServer};
use rdev_runner_domain::{
    BranchName, CiEvent, CiPipeline, CiRepository, CiSecret, PipelineId, PipelineStatus, PipelineTrigger,
    RepositoryName, Timestamp,
};
use rdev_runner_woodpecker::Woodpecker;
use serde_json::json;

use crate::server::{Server, TOKEN};

fn billing() -> RepositoryName {
    "acme/billing".parse().unwrap()
}

fn main_branch() -> BranchName {
    "main".parse().unwrap()
}

fn active() -> CiRepository {
    CiRepository { id: 7, forge_id: "82".to_owned(), default_branch: "main".to_owned() }
}

fn pipeline(server: &Server, status: PipelineStatus) -> CiPipeline {
    let url = format!("{}/repos/7/pipeline/3", server.url);
    CiPipeline { number: 3, status, branch: "main".to_owned(), commit: "eba09b4".to_owned(), url }
}

#[tokio::test]
async fn a_repository_is_there_once_it_is_active() {
    let server = Server::start().await;
    let client = server.client();
    let port: &dyn CiServer = &client;
    assert_eq!(port.repository(&billing()).await.unwrap(), None);
    for _ in 0..2 {
        assert_eq!(port.activate(&billing()).await.unwrap(), active());
    }
    assert_eq!(port.repository(&billing()).await.unwrap(), Some(active()));
    // Woodpecker keeps repositories that were deactivated.
    server.world().is_deactivated = true;
    assert_eq!(port.repository(&billing()).await.unwrap(), None);
}

#[tokio::test]
async fn a_secret_is_set_for_every_event_by_its_name() {
    let server = Server::start().await;
    let client = server.client();
    let port: &dyn CiServer = &client;
    let mut secret =
        CiSecret { name: "rdev_api_key".to_owned(), value: "one".into(), events: CiEvent::ALL.to_vec() };
    assert!(port.set_secret(&active(), &secret).await.unwrap());
    assert!(!port.set_secret(&active(), &secret).await.unwrap());
    let (value, mut events) = server.world().secrets["rdev_api_key"].clone();
    events.sort();
    let mut names: Vec<_> = CiEvent::ALL.iter().map(|event| event.as_str()).collect();
    names.sort_unstable();
    assert_eq!((value.as_str(), events), ("one", names.into_iter().map(str::to_owned).collect()));
    secret.events.clear();
    let refused = port.set_secret(&active(), &secret).await.unwrap_err();
    assert!(matches!(&refused, CiError::Refused(why) if why.contains("at least one event")), "{refused:?}");
}

#[tokio::test]
async fn a_pipeline_is_triggered_found_and_shown() {
    let server = Server::start().await;
    let client = server.client();
    let port: &dyn CiServer = &client;
    let id = PipelineId::from_parts(Timestamp::EPOCH, [1; 10]);
    let variables = BTreeMap::from([(PipelineTrigger::ID_VARIABLE.to_owned(), id.to_string())]);
    let triggered = port.trigger(&active(), &main_branch(), &variables).await.unwrap();
    assert_eq!(triggered, Some(pipeline(&server, PipelineStatus::Pending)));
    let nothing = "nothing-to-do".parse().unwrap();
    assert_eq!(port.trigger(&active(), &nothing, &variables).await.unwrap(), None);

    let since = "2026-01-31T00:10:00Z".parse().unwrap();
    assert_eq!(port.triggered(7, id, since).await.unwrap(), None);
    server.world().listed = vec![json!({
        "number": 3, "status": "running", "commit": "eba09b4", "branch": "main",
        "variables": { "RDEV_PIPELINE_ID": id.to_string() }
    })];
    let found = port.triggered(7, id, since).await.unwrap();
    assert_eq!(found, Some(pipeline(&server, PipelineStatus::Running)));
    // The server's clock may be ten minutes behind.
    let request = server.world().requests.last().unwrap().clone();
    assert!(request.contains("after=2026-01-31T00%3A00%3A00"), "{request}");
    let other = PipelineId::from_parts(Timestamp::EPOCH, [2; 10]);
    assert_eq!(port.triggered(7, other, since).await.unwrap(), None);

    for (name, status) in [
        ("created", PipelineStatus::Pending),
        ("blocked", PipelineStatus::Pending),
        ("pending", PipelineStatus::Pending),
        ("started", PipelineStatus::Running),
        ("unheard-of", PipelineStatus::Running),
        ("success", PipelineStatus::Success),
        ("failure", PipelineStatus::Failure),
        ("killed", PipelineStatus::Killed),
        ("error", PipelineStatus::Error),
        ("declined", PipelineStatus::Declined),
        ("skipped", PipelineStatus::Skipped),
    ] {
        let look = json!({ "number": 3, "status": name, "commit": "eba09b4", "branch": "main" });
        server.world().looks = [(200, look)].into();
        assert_eq!(port.pipeline(7, 3).await.unwrap(), Some(pipeline(&server, status)), "{name}");
    }
    server.world().looks.clear();
    assert_eq!(port.pipeline(7, 3).await.unwrap(), None);
}

#[tokio::test]
async fn a_refusal_is_final_and_an_outage_is_not() {
    let server = Server::start().await;
    let stranger = Woodpecker::new(&server.url, "another-token".into()).unwrap();
    let refused = CiServer::pipeline(&stranger, 7, 3).await.unwrap_err();
    assert!(matches!(&refused, CiError::Refused(why) if why.contains("401")), "{refused:?}");
    let refused = CiServer::activate(&server.client(), &"acme/nothing".parse().unwrap()).await.unwrap_err();
    assert!(matches!(&refused, CiError::Refused(why) if why.contains("acme/nothing")), "{refused:?}");
    for status in [429, 500, 503] {
        server.world().looks = [(status, json!({ "token": TOKEN }))].into();
        let failed = CiServer::pipeline(&server.client(), 7, 3).await.unwrap_err();
        assert!(matches!(&failed, CiError::Unavailable(why) if !why.contains(TOKEN)), "{failed:?}");
    }
    // The request may go on behind a proxy.
    for status in [502, 504] {
        server.world().looks = [(status, json!({}))].into();
        let failed = CiServer::pipeline(&server.client(), 7, 3).await.unwrap_err();
        assert!(matches!(&failed, CiError::Unanswered(_)), "{failed:?}");
    }
    let nowhere = Woodpecker::new("http://127.0.0.1:1", TOKEN.into()).unwrap();
    let failed = nowhere.trigger(7, "main", &BTreeMap::new()).await.map(drop).map_err(CiError::from);
    assert!(matches!(failed, Err(CiError::Unavailable(_))), "{failed:?}");
}
