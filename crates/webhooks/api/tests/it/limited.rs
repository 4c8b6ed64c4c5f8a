//! Webhooks and events of a project-scoped key.

use rdev_webhooks_domain::ports::{EventRepository, StoreError};
use rdev_webhooks_domain::{
    Access, DeliveryCounts, EventFilter, EventId, EventRecord, NewEvent, Page, PageRequest, PublishOutcome,
};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::scene::{Scene, request};

/// An API, and a key that is restricted to the projects `a` and `b`.
struct World {
    scene: Scene,
    key: String,
}

impl World {
    async fn new() -> Self {
        Self::over(Scene::new()).await
    }

    async fn over(scene: Scene) -> Self {
        let body = json!({"scopes": ["events:write", "webhooks:write"], "projects": ["a", "b"]});
        let made = scene.post("/api-keys", body.to_string()).await.expect(201).json();
        Self { key: made["key"].as_str().unwrap().to_owned(), scene }
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {}", self.key);
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.scene.send(request(method, path, &headers, body)).await
    }

    async fn get(&self, path: &str) -> Value {
        self.send("GET", path, &json!(null)).await.expect(200).json()
    }

    /// Creates a webhook with the project-scoped key and returns its path.
    async fn webhook(&self, projects: Value) -> String {
        let made = self.send("POST", "/webhooks", &webhook(projects)).await.expect(201);
        made.header("location").to_owned()
    }
}

fn webhook(projects: Value) -> Value {
    let mut body = json!({"url": "https://example.com/", "events": ["*"]});
    if projects != json!("absent") {
        body["projects"] = projects;
    }
    body
}

#[tokio::test]
async fn a_webhook_gets_the_keys_projects_unless_it_names_some_of_them() {
    let world = World::new().await;
    for (given, made) in [
        (json!("absent"), json!(["a", "b"])),
        (json!(null), json!(["a", "b"])),
        (json!(["b"]), json!(["b"])),
        (json!(["b", "a", "b"]), json!(["a", "b"])),
    ] {
        let path = world.webhook(given).await;
        assert_eq!(world.get(&path).await["projects"], made);
    }
    for (given, places) in [
        (json!([]), vec!["/projects"]),
        (json!(["a", "c"]), vec!["/projects/1"]),
        (json!(["c", "", "b", "d"]), vec!["/projects/0", "/projects/1", "/projects/3"]),
    ] {
        let refused = world.send("POST", "/webhooks", &webhook(given)).await.expect(422);
        assert_eq!(refused.places(), places);
    }
}

#[tokio::test]
async fn a_webhook_stays_within_the_keys_projects() {
    let world = World::new().await;
    let path = world.webhook(json!(["a"])).await;
    for (patch, places) in [
        (json!({"projects": []}), vec!["/projects"]),
        (json!({"projects": ["c"]}), vec!["/projects/0"]),
        (json!({"projects": ["a", "c"], "url": 1}), vec!["/projects/1", "/url"]),
    ] {
        let refused = world.send("PATCH", &path, &patch).await.expect(422);
        assert_eq!(refused.places(), places, "{patch}");
        assert_eq!(world.get(&path).await["projects"], json!(["a"]));
    }
    for (patch, projects) in [
        (json!({"projects": ["b"]}), json!(["b"])),
        (json!({"projects": null}), json!(["a", "b"])),
        (json!({"description": "x"}), json!(["a", "b"])),
    ] {
        let changed = world.send("PATCH", &path, &patch).await.expect(200).json();
        assert_eq!(changed["projects"], projects, "{patch}");
    }
    // A caller that sees all projects may move it to others.
    world.scene.json("PATCH", &path, r#"{"projects":["a","c"]}"#).await.expect(200);
    world.send("GET", &path, &json!(null)).await.expect(404);
    world.send("PATCH", &path, &json!({"projects": ["a"]})).await.expect(404);
}

#[tokio::test]
async fn an_event_belongs_to_one_of_the_keys_projects() {
    let world = World::new().await;
    let event = |data: Value| json!({"event": "command.failed", "data": data});
    world.send("POST", "/events", &event(json!({"project": "a"}))).await.expect(202);
    for data in [json!({}), json!({"project": null}), json!({"project": "c"}), json!({"project": 7})] {
        let refused = world.send("POST", "/events", &event(data.clone())).await.expect(422);
        assert_eq!(refused.places(), ["/data/project"], "{data}");
        let batch = json!({"events": [event(json!({"project": "b"})), event(data)]});
        let refused = world.send("POST", "/events/batch", &batch).await.expect(422);
        assert_eq!(refused.places(), ["/events/1/data/project"]);
    }
    assert_eq!(world.get("/events").await["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_event_shows_only_the_callers_own_deliveries() {
    let world = World::new().await;
    let own = world.webhook(json!(["a"])).await;
    world.scene.webhook().await;
    let event = json!({"event": "command.failed", "data": {"project": "a"}});
    let one = world.send("POST", "/events", &event).await.expect(202).json();
    assert_eq!(one["deliveries"], 1);
    let batch = world.send("POST", "/events/batch", &json!({"events": [event, event]})).await.expect(202);
    assert_eq!(batch.json()["events"][1]["deliveries"], 1);
    let path = format!("/events/{}", one["id"].as_str().unwrap());
    let shown = world.get(&path).await;
    assert_eq!(shown["deliveries"]["total"], 1);
    assert_eq!(shown["deliveries"]["data"].as_array().unwrap().len(), 1);
    assert_eq!(world.get("/events").await["data"][2]["deliveries"]["total"], 1);
    assert_eq!(
        world.scene.get(&path).await.json()["deliveries"]["total"],
        2,
        "an unrestricted caller sees both"
    );

    let delivery = &shown["deliveries"]["data"][0];
    assert_eq!(own, format!("/webhooks/{}", delivery["webhook_id"].as_str().unwrap()));
    let path = format!("/deliveries/{}", delivery["id"].as_str().unwrap());
    assert_eq!(world.get(&path).await["request"]["url"], "https://example.com/");
    world.get(&format!("{path}/attempts")).await;
    world.send("POST", &format!("{path}/redeliver"), &json!(null)).await.expect(202);

    // The history of a deleted webhook stays visible to its owner.
    world.send("DELETE", &own, &json!(null)).await.expect(204);
    assert_eq!(world.get(&path).await["status"], "cancelled");
    assert_eq!(world.get(&format!("{own}/deliveries")).await["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_test_delivery_is_visible_to_its_project_scoped_caller() {
    let world = World::new().await;
    let path = world.webhook(json!(["b"])).await;
    let delivery = world.send("POST", &format!("{path}/test"), &json!(null)).await.expect(202).json();
    assert_eq!(delivery["project"], "b");
    let shown = world.get(&format!("/deliveries/{}", delivery["id"].as_str().unwrap())).await;
    assert_eq!(shown["event"], "webhook.test");
}

/// Events whose deliveries cannot be counted.
struct Uncounted(std::sync::Arc<rdev_webhooks_testkit::MemoryStore>);

#[async_trait::async_trait]
impl EventRepository for Uncounted {
    async fn publish_within(&self, events: &[NewEvent], max: u32) -> Result<PublishOutcome, StoreError> {
        self.0.publish_within(events, max).await
    }

    async fn get(&self, access: &Access, id: EventId) -> Result<Option<EventRecord>, StoreError> {
        EventRepository::get(&*self.0, access, id).await
    }

    async fn list(
        &self,
        access: &Access,
        filter: &EventFilter,
        page: PageRequest<EventId>,
    ) -> Result<Page<EventRecord>, StoreError> {
        EventRepository::list(&*self.0, access, filter, page).await
    }

    async fn count_deliveries(&self, _: &Access, _: &[EventId]) -> Result<Vec<DeliveryCounts>, StoreError> {
        Err(StoreError::Unavailable("the readers are busy".into()))
    }
}

#[tokio::test]
async fn a_stored_event_is_202_even_if_its_deliveries_cannot_be_counted() {
    let scene =
        Scene::with_store(|services, store, _| services.events = std::sync::Arc::new(Uncounted(store)));
    let world = World::over(scene).await;
    world.webhook(json!(["a"])).await;
    world.webhook(json!(["a", "b"])).await;
    world.scene.webhook().await;
    let event = json!({"event": "command.completed", "data": {"project": "a"}, "id": "k"});
    for _ in 0..2 {
        let accepted = world.send("POST", "/events", &event).await.expect(202).json();
        assert_eq!(accepted["deliveries"], 2);
    }
    let batch = json!({"events": [event, {"event": "command.completed", "data": {"project": "b"}}]});
    let accepted = world.send("POST", "/events/batch", &batch).await.expect(202).json();
    let reported = [&accepted["events"][0]["deliveries"], &accepted["events"][1]["deliveries"]];
    assert_eq!(reported, [2, 1]);
}
