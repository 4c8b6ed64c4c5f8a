//! API keys, from their creation to the requests that they authorize.

use http::Method;
use rdev_webhooks_testkit::Receiver;
use rdev_webhooks_tests::{AllInOne, Client};
use serde_json::{Value, json};

/// Creates an API key; returns its id and a client that authenticates with it.
async fn key(administrator: &Client, body: serde_json::Value) -> (String, Client) {
    let made = administrator.post("/api-keys", &body.to_string()).await.expect(201);
    (made["id"].as_str().unwrap().to_owned(), administrator.with_key(made["key"].as_str().unwrap()))
}

/// Checks that two projects on one system see nothing of each other.
pub(crate) async fn two_projects_share_a_system(administrator: &Client) {
    let receiver = Receiver::accepting().await;
    let webhook = json!({"url": receiver.url("/").as_str(), "events": ["*"]}).to_string();
    let scopes = json!(["events:write", "webhooks:write"]);
    let (_, ours) = key(administrator, json!({"scopes": scopes, "projects": ["ours"]})).await;
    let (their_id, theirs) = key(administrator, json!({"scopes": scopes, "projects": ["theirs"]})).await;
    let mut webhooks = Vec::new();
    for (client, project) in [(&ours, "ours"), (&theirs, "theirs")] {
        let made = client.post("/webhooks", &webhook).await.expect(201);
        assert_eq!(made["projects"], json!([project]));
        webhooks.push(made["id"].as_str().unwrap().to_owned());
    }
    administrator.post("/webhooks", &webhook).await.expect(201);
    let mut deliveries = Vec::new();
    for (client, project) in [(&ours, "ours"), (&theirs, "theirs")] {
        let event = json!({"event": "command.completed", "data": {"project": project}}).to_string();
        let published = client.post("/events", &event).await.expect(202);
        assert_eq!(published["deliveries"], 1, "{published}");
        let shown = client.get(&format!("/events/{}", published["id"].as_str().unwrap())).await;
        assert_eq!(shown["deliveries"]["total"], 1, "{shown}");
        deliveries.push(shown["deliveries"]["data"][0]["id"].as_str().unwrap().to_owned());
    }
    for (client, own, other) in [(&ours, 0, 1), (&theirs, 1, 0)] {
        for list in ["/webhooks", "/events", "/deliveries"] {
            let listed = client.get(list).await;
            assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed:#}");
        }
        let listed = client.get("/webhooks").await;
        assert_eq!(listed["data"][0]["id"], webhooks[own].as_str());
        for (path, id) in [("webhooks", &webhooks), ("deliveries", &deliveries)] {
            client.get(&format!("/{path}/{}", id[own])).await;
            let path = format!("/{path}/{}", id[other]);
            client.request(Method::GET, &path, None).await.unwrap().expect(404);
        }
        let foreign = json!({"event": "command.completed", "data": {"project": "another"}}).to_string();
        client.post("/events", &foreign).await.expect(422);
        client.request(Method::GET, "/api-keys", None).await.unwrap().expect(403);
    }
    let all = administrator.get("/deliveries").await;
    assert_eq!(all["data"].as_array().unwrap().len(), 4, "{all:#}");

    let path = format!("/api-keys/{their_id}");
    administrator.until(&path, |key| key["last_used_at"].is_string()).await;
    administrator.request(Method::DELETE, &path, None).await.unwrap().expect(204);
    theirs.request(Method::GET, "/webhooks", None).await.unwrap().expect(401);
    ours.get("/webhooks").await;
}

#[tokio::test]
async fn two_projects_share_an_embedded_system_and_keys_outlive_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    two_projects_share_a_system(&server.client).await;
    let (_, kept) = key(&server.client, json!({"scopes": ["webhooks:read"]})).await;
    let ids = |list: Value| -> Vec<Value> {
        list["data"].as_array().unwrap().iter().map(|webhook| webhook["id"].clone()).collect()
    };
    let before = ids(kept.get("/webhooks").await);
    assert_eq!(before.len(), 3);
    assert!(server.stop().await.success());

    let again = AllInOne::start(folder.path()).await;
    let kept = kept.at(&again.client);
    assert_eq!(ids(kept.get("/webhooks").await), before);
}
