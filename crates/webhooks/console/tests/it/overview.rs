//! The overview and its charts.

use rdev_webhooks_testkit::Receiver;

use crate::scene::Scene;

#[tokio::test]
async fn deliveries_over_time_are_bars_with_a_table() {
    let scene = Scene::new().await;
    scene.deliver();
    let receiver = Receiver::accepting().await;
    let webhook = scene.webhook(receiver.url("/hook").as_str(), |_| {}).await;
    let mut browser = scene.administrator().await;
    browser.open("/console/overview").await.shows("Success rate").shows(">none</span>");
    scene.publish("command.completed", "{}").await;
    receiver.wait_for(1, std::time::Duration::from_secs(20)).await;
    // The counters are stored within a second or so.
    let page = scene.eventually(&mut browser, "/console/overview", "<rect class=\"good\"").await;
    page.shows("up to 1 in an hour").shows("As a table").shows("<td class=\"num\">100.0 %</td>");
    page.hides("<rect class=\"bad\"").hides("style=");
    for (window, each) in [("1h", "in 5 minutes"), ("7d", "in 6 hours")] {
        let page = browser.open(&format!("/console/overview?window={window}")).await;
        page.shows(&format!("up to 1 {each}"));
    }
    let page = browser.open(&format!("/console/webhooks/{}?window=30d", webhook.id)).await;
    page.shows("<rect class=\"good\"").shows("up to 1 in a day");
}
