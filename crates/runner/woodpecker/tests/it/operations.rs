//! Operations that succeed.

use std::collections::BTreeMap;

use rdev_runner_woodpecker::{Event, PipelineStatus, Secret, SecretChange};
use serde_json::{Value, json};

use crate::server::Server;

fn secret(value: &str) -> Secret {
    Secret::new("rdev_api_key", value.into(), [Event::Push, Event::Manual, Event::Push]).unwrap()
}

#[tokio::test]
async fn a_repository_is_activated_once() {
    let server = Server::start().await;
    let client = server.client();
    assert_eq!(client.repository("acme/billing").await.unwrap(), None);
    let activated = client.activate("acme/billing").await.unwrap();
    assert_eq!((activated.id, activated.full_name.as_str(), activated.active), (7, "acme/billing", true));
    assert_eq!(client.activate("acme/billing").await.unwrap(), activated);
    assert_eq!(client.repository("acme/billing").await.unwrap(), Some(activated));
    let requests = server.world().requests.clone();
    let activations: Vec<_> = requests.iter().filter(|request| request.starts_with("POST")).collect();
    assert_eq!(activations, ["POST /ci/api/repos?forge_remote_id=82"]);
    assert!(requests.contains(&"GET /ci/api/user/repos?all=true&name=billing".to_owned()), "{requests:?}");
}

#[tokio::test]
async fn a_repository_that_another_client_activates_is_found() {
    let server = Server::start().await;
    server.world().activates_first = true;
    assert_eq!(server.client().activate("acme/billing").await.unwrap().id, 7);
}

#[tokio::test]
async fn a_secret_is_created_and_then_updated() {
    let server = Server::start().await;
    let client = server.client();
    assert_eq!(client.set_secret(7, &secret("one")).await.unwrap(), SecretChange::Created);
    assert_eq!(client.set_secret(7, &secret("two")).await.unwrap(), SecretChange::Updated);
    let events = vec!["push".to_owned(), "manual".to_owned()];
    assert_eq!(server.world().secrets["rdev_api_key"], ("two".to_owned(), events));
    // It looks before it creates: the server has no other way to say that a secret exists.
    let requests = server.world().requests.clone();
    assert_eq!(requests.iter().filter(|request| request.starts_with("POST")).count(), 1);
}

#[tokio::test]
async fn a_secret_that_another_client_creates_is_updated() {
    let server = Server::start().await;
    server.world().creates_secret_first = true;
    assert_eq!(server.client().set_secret(7, &secret("two")).await.unwrap(), SecretChange::Updated);
    assert_eq!(server.world().secrets["rdev_api_key"].0, "two");
}

#[tokio::test]
async fn a_pipeline_is_triggered_with_variables() {
    let server = Server::start().await;
    let variables = BTreeMap::from([("COMMAND_ID".to_owned(), "cmd_1".to_owned())]);
    let pipeline = server.client().trigger(7, "feature/a", &variables).await.unwrap().unwrap();
    assert_eq!(
        (pipeline.number, &pipeline.status, pipeline.branch.as_str()),
        (3, &PipelineStatus::Waiting, "feature/a")
    );
    let expected = json!({ "branch": "feature/a", "variables": { "COMMAND_ID": "cmd_1" } });
    assert_eq!(server.world().triggered, Some(expected));
    assert_eq!(server.client().trigger(7, "nothing-to-do", &BTreeMap::new()).await.unwrap(), None);
}

#[tokio::test]
async fn a_triggered_pipeline_is_found_by_its_variable() {
    let server = Server::start().await;
    let since = "2026-01-31T00:00:00Z".parse().unwrap();
    let listed = |number: u64, variables: Value| {
        let (created, status) = (1_769_900_000 + number, "running");
        json!({ "number": number, "status": status, "created": created, "variables": variables })
    };
    server.world().listed =
        (1..=120).rev().map(|number| listed(number, json!({ "ID": number.to_string() }))).collect();
    let find = async |value: &str| {
        server.client().triggered(7, ("ID", value), since).await.unwrap().map(|found| found.number)
    };
    assert_eq!((find("120").await, find("3").await, find("121").await), (Some(120), Some(3), None));
    let request = server.world().requests.last().unwrap().clone();
    assert!(request.contains("after=2026-01-31T00%3A00%3A00"), "{request}");
    // Others have no variables, or none that are texts.
    server.world().listed =
        vec![listed(4, Value::Null), listed(3, json!({ "ID": 1 })), listed(2, json!({ "ID": "1" }))];
    assert_eq!(find("1").await, Some(2));
    // A list that does not end is read in part.
    server.world().listed = (1..=2_000).map(|number| listed(number, json!({}))).collect();
    server.world().requests.clear();
    assert_eq!(find("1").await, None);
    assert_eq!(server.world().requests.len(), 20);
}

#[test]
fn every_documented_status_is_known() {
    for (name, has_ended) in [
        ("pending", false),
        ("created", false),
        ("blocked", false),
        ("running", false),
        ("started", false),
        ("success", true),
        ("failure", true),
        ("killed", true),
        ("error", true),
        ("declined", true),
        ("skipped", true),
        ("unheard-of", false),
    ] {
        let status: PipelineStatus = serde_json::from_value(json!(name)).unwrap();
        assert_eq!(status.has_ended(), has_ended, "{name}");
        assert_eq!(matches!(status, PipelineStatus::Other(_)), name == "unheard-of", "{name}");
    }
}
