//! A form that is sent twice makes one thing.

use http::StatusCode;
use rdev_webhooks_domain::{Access, DeliveryFilter, PageRequest, WebhookFilter};

use crate::scene::Scene;

/// Sends a form twice, and fails unless both lead to the same page.
async fn twice(
    browser: &mut rdev_pages::browser::Browser,
    page: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> String {
    let action = browser.open(page).await.form(path);
    let first = browser.post(&action, fields).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER, "{page}: {}", first.text);
    let second = browser.post(&action, fields).await;
    assert_eq!(second.status, StatusCode::SEE_OTHER, "{page}: {}", second.text);
    assert_eq!(first.location(), second.location(), "{page}");
    first.location().to_owned()
}

#[tokio::test]
async fn a_form_that_is_sent_twice_makes_one_thing() {
    let scene = Scene::new().await;
    let first = PageRequest { limit: 10, before: None };
    let mut browser = scene.administrator().await;
    let fields = [
        ("url", "https://example.com/x"),
        ("events", "*"),
        ("attempts", "1"),
        ("format", "rdev"),
        ("signing", "hmac-sha256"),
        ("enabled", "on"),
    ];
    let webhook = twice(&mut browser, "/console/webhooks/new", "/console/webhooks/new", &fields).await;
    let webhooks = scene.system.webhooks().list(Access::everything(), &WebhookFilter::default(), first).await;
    assert_eq!(webhooks.unwrap().items.len(), 1);
    // The secret is shown after the repetition too, which is what the browser follows.
    browser.open(&webhook).await.shows("value=\"whsec_");

    let fields = [("type", "command.completed"), ("data", "{}")];
    twice(&mut browser, "/console/events/new", "/console/events/new", &fields).await;
    let test = format!("{webhook}/test");
    twice(&mut browser, &test, &test, &[("type", "webhook.test")]).await;
    let first = PageRequest { limit: 10, before: None };
    let sent = scene.system.history().list(Access::everything(), &DeliveryFilter::default(), first).await;
    assert_eq!(sent.unwrap().items.len(), 2);

    let secret = format!("{webhook}/secret");
    twice(&mut browser, &secret, &secret, &[("version", "1"), ("overlap", "1d")]).await;
    browser.open(&webhook).await.shows("The secret was rotated.");
    twice(&mut browser, "/console/api-keys/new", "/console/api-keys/new", &[("scope", "webhooks:read")])
        .await;
    let keys = scene.system.api_keys().list(PageRequest { limit: 10, before: None }).await.unwrap();
    assert_eq!(keys.items.len(), 1);
    let new = format!("{webhook}/replays/new");
    // The only range with something to send would need a finished delivery, so the form is sent without its page.
    let fields = [("status", "missing"), ("since", "1h"), ("until", "")];
    let (first, second) = (format!("{new}?once=a"), format!("{new}?once=b"));
    let begun = browser.post(&first, &fields).await;
    assert_eq!(begun.location(), browser.post(&first, &fields).await.location());
    assert_ne!(begun.location(), browser.post(&second, &fields).await.location());
}

#[tokio::test]
async fn another_content_and_another_page_are_another_request() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let new = "/console/events/new";
    let action = browser.open(new).await.form(new);
    let wrong = browser.post(&action, &[("type", "command.completed"), ("data", "[")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.shows("data-fault");
    let one = browser.post(&action, &[("type", "command.completed"), ("data", "{}")]).await;
    let other = browser.post(&action, &[("type", "command.completed"), ("data", "{\"a\":1}")]).await;
    let again = browser.open(new).await.form(new);
    let third = browser.post(&again, &[("type", "command.completed"), ("data", "{}")]).await;
    assert!(one.location() != other.location() && one.location() != third.location());
}

#[tokio::test]
async fn a_refused_form_is_refused_as_a_page_each_time() {
    let scene = Scene::new().await;
    let webhook = scene.webhook("http://127.0.0.1:9/hook", |_| {}).await;
    let mut browser = scene.administrator().await;
    scene.publish("command.completed", "{}").await;
    let list = browser.open("/console/deliveries").await;
    let action = list.form("/console/deliveries/redeliver");
    let start = list.text.find("dlv_").unwrap();
    let delivery = list.text[start..start + 30].to_owned();
    scene.system.webhooks().update(&webhook, webhook.settings.clone(), false).await.unwrap();
    for _ in 0..2 {
        let refused = browser.post(&action, &[("delivery", &delivery), ("back", "/deliveries")]).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        refused.shows("<title>").shows("The webhook is disabled.");
    }
}

#[tokio::test]
async fn two_submissions_at_once_make_one_thing() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let new = "/console/events/new";
    let action = browser.open(new).await.form(new);
    let (mut one, mut other) = (scene.browser(), scene.browser());
    one.cookies = browser.cookies.clone();
    other.cookies = browser.cookies.clone();
    let form = [("type", "command.completed"), ("data", "{}")];
    let (one, other) = tokio::join!(one.post(&action, &form), other.post(&action, &form));
    assert_eq!((one.status, one.location()), (StatusCode::SEE_OTHER, other.location()));
}
