//! What others have written stays text.

use rdev_webhooks_domain::{Access, DeliveryFilter, PageRequest};
use rdev_webhooks_testkit::Receiver;
use rdev_webhooks_testkit::receiver::Reply;

use crate::scene::Scene;

const MARKUP: &str = r#"</pre><script>alert(1)</script><img src=x onerror=alert(1)>'"&"#;
const BIDI: &str = "\u{202e}gnp.exe";

#[tokio::test]
async fn hostile_texts_stay_text_on_every_page() {
    let scene = Scene::new().await;
    scene.deliver();
    let answer = format!("{MARKUP}{BIDI}\0");
    let receiver = Receiver::start(Reply::status(400).header("x-odd", "<b>\"x\"").body(answer)).await;
    let url = receiver.url("/hook?a=%3Cscript%3E&b='x'").to_string();
    let webhook = scene
        .webhook(&url, |it| {
            it.description = Some(MARKUP.to_owned());
            it.projects = [MARKUP.parse().unwrap()].into();
            it.metadata.insert("key".into(), MARKUP.into()).unwrap();
        })
        .await;
    let text = format!("{MARKUP}{BIDI}");
    let data = serde_json::json!({ "project": MARKUP, "text": text, "z": "x".repeat(100_000) }).to_string();
    let event = scene.publish("command.completed", &data).await;
    let mut browser = scene.administrator().await;
    let filter = DeliveryFilter::default();
    let page = PageRequest { limit: 1, before: None };
    let deliveries = scene.system.history().list(Access::everything(), &filter, page).await.unwrap();
    let delivery = deliveries.items[0].id;
    receiver.wait_for(1, std::time::Duration::from_secs(20)).await;
    browser.open(&format!("/console/deliveries/{delivery}")).await;
    let odd = url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    for path in [
        "/overview".to_owned(),
        "/webhooks".to_owned(),
        format!("/webhooks?project={odd}"),
        format!("/webhooks/{}", webhook.id),
        format!("/webhooks/{}/edit", webhook.id),
        format!("/webhooks/{}/test?type={odd}&data={odd}", webhook.id),
        format!("/webhooks/{}/secret", webhook.id),
        format!("/webhooks/{}/delete", webhook.id),
        format!("/webhooks/{}/replays", webhook.id),
        format!("/webhooks/{}/replays/new?since={odd}&status={odd}", webhook.id),
        "/deliveries".to_owned(),
        format!("/deliveries?type={odd}&webhook={odd}&before={odd}"),
        format!("/deliveries/{delivery}"),
        "/events".to_owned(),
        "/events/feed".to_owned(),
        format!("/events/feed?type={odd}&project={odd}"),
        format!("/events/rows?id={event}&id={odd}"),
        format!("/deliveries/rows?id={delivery}&id={odd}"),
        format!("/deliveries/{delivery}?attempt=1&sign=now&before={odd}"),
        format!("/overview?window={odd}"),
        "/replays".to_owned(),
        format!("/replays?before={odd}"),
        format!("/events?key={odd}"),
        format!("/events/{event}"),
        format!("/events/new?type={odd}&key={odd}"),
        format!("/event-types?name={odd}"),
        "/sign-in".to_owned(),
        format!("/sign-in/link?token={odd}"),
    ] {
        let page = browser.get(&format!("/console{path}")).await;
        assert!(
            page.status.is_success() || page.status.is_redirection(),
            "{path}: {} {}",
            page.status,
            page.text
        );
        // Our own markup is markup.
        page.hides("&lt;svg").hides("&lt;time").hides("&lt;input");
        page.hides("<script>alert").hides("<img src=x").hides("onerror=alert(1)>");
        // A field of a form keeps its value; everywhere else the character is shown.
        let without_fields = page.text.split("<textarea").next().unwrap();
        let outside =
            without_fields.split("value=\"").map(|part| part.split_once('"').map_or(part, |(_, rest)| rest));
        assert!(!outside.collect::<String>().contains('\u{202e}'), "{path}");
    }
    let page = browser.open(&format!("/console/events/{event}")).await;
    page.shows("&lt;script&gt;alert(1)").shows("\\u{202e}gnp.exe").shows("Cut here after 16 KiB");
}
