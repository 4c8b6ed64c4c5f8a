//! Replays with their preview.

use http::StatusCode;
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
