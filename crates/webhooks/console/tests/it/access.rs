//! What a key may not do is refused, and not shown.

use http::StatusCode;
use rdev_webhooks::domain::scopes;

use crate::scene::Scene;

#[tokio::test]
async fn a_reader_sees_no_change_and_can_make_none() {
    let scene = Scene::new().await;
    let webhook = scene.webhook("http://127.0.0.1:9/hook", |_| {}).await;
    let event = scene.publish("command.completed", "{}").await;
    let mut browser = scene.holder(&[scopes::WEBHOOKS_READ], None).await;
    let list = browser.open("/console/deliveries").await.text;
    let start = list.find("dlv_").unwrap();
    let delivery = list[start..start + 30].to_owned();
    for path in [
        "/overview".to_owned(),
        "/webhooks".to_owned(),
        format!("/webhooks/{}", webhook.id),
        format!("/webhooks/{}/replays", webhook.id),
        format!("/deliveries/{delivery}"),
        format!("/events/{event}"),
        "/events".to_owned(),
        "/events/feed".to_owned(),
        "/replays".to_owned(),
        "/event-types".to_owned(),
        "/event-types/command.completed".to_owned(),
    ] {
        let page = browser.open(&format!("/console{path}")).await;
        for action in ["/edit", "/disable", "/enable", "/secret", "/redeliver", "/cancel", "/new", "API keys"]
        {
            page.hides(&format!("{action}\"")).hides(&format!("{action}?once="));
        }
    }
    let webhook = format!("/webhooks/{}", webhook.id);
    for path in [
        "/webhooks/new".to_owned(),
        format!("{webhook}/edit"),
        format!("{webhook}/enable"),
        format!("{webhook}/disable"),
        format!("{webhook}/secret"),
        format!("{webhook}/test"),
        format!("{webhook}/delete"),
        format!("{webhook}/replays/new"),
        format!("/deliveries/{delivery}/redeliver"),
        format!("/deliveries/{delivery}/cancel"),
        "/deliveries/redeliver".to_owned(),
        "/events/new".to_owned(),
        "/event-types/new".to_owned(),
        "/event-types/command.completed/delete".to_owned(),
        "/api-keys/new".to_owned(),
    ] {
        let refused = browser.post(&format!("/console{path}"), &[("x", "y")]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        refused.shows("lacks the scope");
    }
    assert_eq!(browser.get("/console/api-keys").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_belongs_to_other_projects_does_not_exist() {
    let scene = Scene::new().await;
    let other =
        scene.webhook("http://127.0.0.1:9/other", |it| it.projects = ["b".parse().unwrap()].into()).await;
    scene.webhook("http://127.0.0.1:9/mine", |it| it.projects = ["a".parse().unwrap()].into()).await;
    let hidden = scene.publish("command.completed", r#"{"project":"b"}"#).await;
    let mut administrator = scene.administrator().await;
    let list = administrator.open("/console/deliveries").await.text;
    let start = list.find("dlv_").unwrap();
    let delivery = list[start..start + 30].to_owned();
    let mut browser = scene.holder(&[scopes::WEBHOOKS_WRITE, scopes::EVENTS_WRITE], Some(&["a"])).await;
    browser.open("/console/overview").await.shows("/mine").hides("/other");
    browser.open("/console/deliveries").await.hides(&delivery);
    browser.open("/console/events").await.hides(&hidden.to_string());
    browser.open("/console/events/feed").await.hides(&hidden.to_string());
    browser.open(&format!("/console/events/rows?id={hidden}")).await.hides(&hidden.to_string());
    browser.open(&format!("/console/deliveries/rows?id={delivery}")).await.hides(&delivery);
    for path in [
        format!("/webhooks/{}", other.id),
        format!("/webhooks/{}/edit", other.id),
        format!("/webhooks/{}/replays", other.id),
        format!("/deliveries/{delivery}"),
        format!("/deliveries/{delivery}/body"),
        format!("/events/{hidden}"),
    ] {
        assert_eq!(browser.get(&format!("/console{path}")).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in [
        format!("/webhooks/{}/disable", other.id),
        format!("/webhooks/{}/test", other.id),
        format!("/deliveries/{delivery}/redeliver"),
        format!("/deliveries/{delivery}/cancel"),
    ] {
        assert_eq!(
            browser.post(&format!("/console{path}"), &[]).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let row = browser.post("/console/deliveries/redeliver", &[("delivery", &delivery)]).await;
    assert_eq!(row.status, StatusCode::NOT_FOUND);
    let form = [("type", "command.completed"), ("data", r#"{"project":"b"}"#)];
    browser.post("/console/events/new", &form).await.shows("must name one of your projects");
}
