//! Replays with their preview.

use http::StatusCode;
use rdev_webhooks::domain::Access;
use rdev_webhooks_testkit::Receiver;

use crate::scene::Scene;

#[tokio::test]
async fn a_replay_is_previewed_started_and_followed() {
    let scene = Scene::new().await;
    scene.publish("command.completed", "{}").await;
    scene.deliver();
    let receiver = Receiver::accepting().await;
    let webhook = scene.webhook(receiver.url("/hook").as_str(), |_| {}).await;
    let mut browser = scene.administrator().await;
    let path = format!("/console/webhooks/{}/replays", webhook.id);
    browser.open(&path).await.shows("Nothing was replayed").shows(&format!("{path}/new"));
    let page = browser.open(&format!("{path}/new")).await;
    page.shows("value=\"1d\"").hides("Start this replay");
    browser
        .open(&format!("{path}/new?status=failed&since=1h"))
        .await
        .shows("<strong>0</strong> failed deliveries")
        .hides("Start this");
    let page = browser.open(&format!("{path}/new?status=missing&since=1h")).await;
    page.shows("<strong>1</strong> events that it never got")
        .shows("It does not touch")
        .shows("Start this replay");
    assert!(receiver.requests().is_empty(), "a preview sends nothing");
    let page = browser
        .submit(&format!("{path}/new"), &[("status", "missing"), ("since", "1h"), ("until", "")])
        .await;
    page.shows("The replay was started.").shows("<progress");
    receiver.wait_for(1, std::time::Duration::from_secs(20)).await;
    browser.open(&path).await.shows("events that it never got");
    browser.open(&format!("{path}/new?status=missing&since=never")).await.shows("since-fault");
    let empty = browser.open(&format!("{path}/new?status=missing&since=1h&until=2h")).await;
    empty.shows("the range ends before it begins");
    let gone = browser.get(&format!("{path}/rpl_01h455vb4pex5vsknk084sn02q")).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_replays_of_all_webhooks_are_on_one_page() {
    let scene = Scene::new().await;
    scene.publish("command.completed", "{}").await;
    let mut browser = scene.administrator().await;
    browser.open("/console/replays").await.shows("Nothing was replayed yet.");
    let mut paths = Vec::new();
    for url in ["http://127.0.0.1:9/one", "http://127.0.0.1:9/other"] {
        let webhook = scene.webhook(url, |_| {}).await;
        let path = format!("/console/webhooks/{}/replays", webhook.id);
        let form = [("status", "missing"), ("since", "1h"), ("until", "")];
        let sent = browser.post(&format!("{path}/new"), &form).await;
        paths.push((webhook, sent.location().to_owned()));
    }
    let page = browser.open("/console/replays").await;
    page.shows("http://127.0.0.1:9/one")
        .shows("http://127.0.0.1:9/other")
        .shows(&paths[0].1)
        .shows(&paths[1].1);
    // A replay is there after its webhook, and only under its webhook.
    let other = paths[1].1.replace(&paths[1].0.id.to_string(), &paths[0].0.id.to_string());
    assert_eq!(browser.get(&other).await.status, StatusCode::NOT_FOUND);
    let deleted = scene.system.webhooks().delete(Access::everything(), paths[0].0.id, None).await;
    deleted.unwrap();
    browser.open("/console/replays").await.shows("a deleted webhook");
    browser.open(&paths[0].1).await.shows("a deleted webhook");
}
