//! Event types.

use http::StatusCode;

use crate::scene::Scene;

#[tokio::test]
async fn an_event_type_is_registered_changed_used_and_deleted() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    browser
        .open("/console/event-types")
        .await
        .shows("command.completed")
        .shows("built in")
        .shows("operational");
    browser
        .open("/console/event-types/command.completed")
        .await
        .shows("Any object may be its data.")
        .hides("Edit");
    let schema = r#"{"type":"object","required":["number"],"properties":{"number":{"type":"integer"}}}"#;
    let form = [("name", "order.created"), ("schema", schema), ("examples", "{\"number\":\"x\"}")];
    let wrong = browser.post("/console/event-types/new", &form).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.shows("examples-fault").shows("line 1");
    let form = [("name", "order.created"), ("schema", schema), ("examples", "{\"number\":7}")];
    let page = browser.submit("/console/event-types/new", &form).await;
    page.shows("The event type was saved.").shows("&quot;number&quot;: 7");
    browser.post("/console/event-types/new", &form).await.shows("exists already");
    browser.open("/console/events/new?type=order.created").await.shows("&#34;number&#34;: 7");
    let data = [("type", "order.created"), ("data", "{}")];
    browser.post("/console/events/new", &data).await.shows("data-fault").shows("number");

    let edit = "/console/event-types/order.created/edit";
    browser.open(edit).await.shows("&#34;required&#34;");
    browser.submit(edit, &[("description", "A new order")]).await.shows("A new order").shows("Any object");
    scene.webhook("https://example.com/x", |it| it.events = ["order.created".parse().unwrap()].into()).await;
    let delete = "/console/event-types/order.created/delete";
    browser.open(delete).await.shows("Delete order.created?");
    let refused = browser.post(delete, &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.shows("A webhook subscribes to this event type");
    assert_eq!(browser.get("/console/event-types/no.such").await.status, StatusCode::NOT_FOUND);
}
