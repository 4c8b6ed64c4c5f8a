//! The pages of webhooks.

use http::StatusCode;
use rdev_webhooks::domain::{Access, PageRequest, RetryPolicy, WebhookFilter, scopes};

use crate::scene::Scene;

#[tokio::test]
async fn webhooks_are_listed_with_their_state() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    browser
        .open("/console/webhooks")
        .await
        .shows("There are no webhooks yet.")
        .shows("/console/webhooks/new");
    let first = scene.webhook("https://example.com/one", |it| it.description = Some("Ops <b>".into())).await;
    scene.webhook("https://example.com/two", |it| it.events = ["command.*".parse().unwrap()].into()).await;
    scene.system.webhooks().update(&first, first.settings.clone(), false).await.unwrap();
    let page = browser.open("/console/webhooks").await;
    page.shows("https://example.com/one")
        .shows("Ops &lt;b&gt;")
        .shows("Someone disabled it.")
        .shows("command.*");
    let page = browser.open("/console/webhooks?state=enabled&event=command.completed").await;
    page.shows("https://example.com/two").hides("https://example.com/one");
    browser
        .open("/console/webhooks?state=enabled&event=webhook.failing")
        .await
        .shows("No webhook matches")
        .hides("There are no webhooks");
    browser.open("/console/webhooks?event=a%20b").await.shows("event-fault").shows("aria-invalid");
}

#[tokio::test]
async fn a_project_scoped_key_sees_its_own_webhooks() {
    let scene = Scene::new().await;
    scene.webhook("https://example.com/mine", |it| it.projects = ["a".parse().unwrap()].into()).await;
    scene.webhook("https://example.com/other", |it| it.projects = ["b".parse().unwrap()].into()).await;
    let mut browser = scene.holder(&[scopes::WEBHOOKS_WRITE], Some(&["a"])).await;
    let page = browser.open("/console/webhooks").await;
    page.shows("https://example.com/mine").hides("https://example.com/other").shows("projects: a");
}

#[tokio::test]
async fn a_long_list_has_pages() {
    let scene = Scene::new().await;
    for number in 0..26 {
        scene.webhook(&format!("https://example.com/{number}"), |_| {}).await;
    }
    let mut browser = scene.administrator().await;
    let page = browser.open("/console/webhooks").await;
    page.shows("https://example.com/25<").hides("https://example.com/0<").hides("Newest");
    let start = page.text.find("/console/webhooks?before=").unwrap();
    let address = page.text[start..].split('"').next().unwrap().to_owned();
    browser.open(&address).await.shows("https://example.com/0<").shows("Newest").hides("Older");
}

/// The fields of a new webhook's form.
fn fields<'a>(url: &'a str, events: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("url", url),
        ("events", events),
        ("attempts", "3"),
        ("waits", "5s, 10s"),
        ("format", "rdev"),
        ("signing", "hmac-sha256"),
        ("enabled", "on"),
    ]
}

#[tokio::test]
async fn a_webhook_is_created_and_its_secret_shown_once() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    browser.open("/console/webhooks/new?events=command.failed").await.shows("command.failed</textarea>");
    let mut form = fields("https://example.com/hook", "command.*\r\ncommand.failed");
    form.extend([
        ("headers", "X-Team: ops"),
        ("metadata", "owner=ops"),
        ("timeout", "3s"),
        ("rate_limit", "2.5"),
    ]);
    let page = browser.submit("/console/webhooks/new", &form).await;
    page.shows("The webhook was created.").shows("value=\"whsec_").shows("x-team").hides("X-Team: ops");
    page.shows("2.5 a second").shows("owner=ops").shows("command.*, command.failed");
    let webhooks = scene.system.webhooks();
    let all = PageRequest { limit: 10, before: None };
    let found = webhooks.list(Access::everything(), &WebhookFilter::default(), all).await.unwrap();
    let stored = &found.items[0];
    assert_eq!(stored.settings.retry, RetryPolicy::default());
    let path = format!("/console/webhooks/{}", stored.id);
    browser.open(&path).await.hides("whsec_");
}

#[tokio::test]
async fn a_form_with_faults_keeps_what_was_typed() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let mut form = fields("http://10.0.0.1/hook", "no.such.type");
    form.extend([("description", "Kept <text>"), ("timeout", "soon"), ("headers", "host: x")]);
    form.retain(|(name, _)| *name != "waits");
    form.push(("waits", "5s"));
    let page = browser.post("/console/webhooks/new", &form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("Nothing was saved.").shows("Kept &#60;text&#62;").shows("http://10.0.0.1/hook");
    for field in ["timeout", "headers", "waits"] {
        page.shows(&format!("id=\"{field}-fault\""));
    }
    // What only the system knows is checked once the form is right.
    let page = browser.post("/console/webhooks/new", &fields("http://10.0.0.1/hook", "no.such.type")).await;
    page.shows("id=\"url-fault\"").shows("matches no known event type");
    browser.open("/console/webhooks").await.shows("There are no webhooks yet.");
}

#[tokio::test]
async fn a_conflict_while_editing_shows_the_difference_and_loses_nothing() {
    let scene = Scene::new().await;
    let webhook = scene.webhook("https://example.com/one", |it| {
        it.headers.insert("x-team", "secret-value").unwrap();
    });
    let webhook = webhook.await;
    let mut browser = scene.administrator().await;
    let path = format!("/console/webhooks/{}/edit", webhook.id);
    let page = browser.open(&path).await;
    page.shows("name=\"version\" value=\"1\"").shows("x-team: [redacted]").hides("secret-value");
    let mut other = webhook.settings.clone();
    other.description = Some("From elsewhere".to_owned());
    scene.system.webhooks().update(&webhook, other, true).await.unwrap();

    let mut form = fields("https://example.com/mine", "*");
    form.extend([("version", "1"), ("description", "Mine"), ("headers", "x-team: [redacted]\nx-new: 1")]);
    let page = browser.post(&path, &form).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    page.shows("Someone changed this webhook")
        .shows("From elsewhere")
        .shows("value=\"https://example.com/mine\"");
    page.shows("name=\"version\" value=\"2\"").shows("Save what I typed");

    form.retain(|(name, _)| *name != "version");
    form.push(("version", "2"));
    browser.submit(&path, &form).await.shows("The webhook was saved.").shows("https://example.com/mine");
    let saved = scene.system.webhooks().get(Access::everything(), webhook.id).await.unwrap();
    assert_eq!(saved.settings.description.as_deref(), Some("Mine"));
    assert_eq!(saved.settings.headers.as_map()["x-team"], "secret-value");
    assert_eq!(saved.settings.headers.as_map()["x-new"], "1");
    browser
        .submit(&path, &[&form[..form.len() - 1], &[("version", "3")]].concat())
        .await
        .shows("Nothing was changed.");
}

#[tokio::test]
async fn a_webhook_is_disabled_enabled_rotated_and_deleted() {
    let scene = Scene::new().await;
    let webhook = scene.webhook("https://example.com/one", |_| {}).await;
    let mut browser = scene.administrator().await;
    let path = format!("/console/webhooks/{}", webhook.id);
    browser
        .submit(&format!("{path}/disable"), &[])
        .await
        .shows("Someone disabled it.")
        .shows("Enable</button>");
    browser.submit(&format!("{path}/enable"), &[]).await.shows("The webhook is enabled.").shows("Send test");

    let wrong = browser.post(&format!("{path}/secret"), &[("overlap", "99d"), ("version", "3")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.shows("must be at most 7d");
    let page = browser.submit(&format!("{path}/secret"), &[("overlap", "1h"), ("version", "3")]).await;
    page.shows("The old one also signs until").shows("New signing secret").shows("signs until");
    let stale = browser.post(&format!("{path}/secret"), &[("overlap", "1h"), ("version", "3")]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);

    browser.open(&format!("{path}/delete")).await.shows("Delete this webhook?");
    let page = browser.submit(&format!("{path}/delete"), &[("version", "4")]).await;
    page.shows("The webhook was deleted.").shows("There are no webhooks yet.");
    let gone = browser.get(&path).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    gone.shows("does not exist, or was deleted");
}
