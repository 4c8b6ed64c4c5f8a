//! From a failure to its mending: tests, deliveries, events.

use http::StatusCode;
use http::header::CONTENT_DISPOSITION;
use rdev_webhooks::access::Ids;
use rdev_webhooks::domain::{Access, DeliveryId, RateLimit, RetryPolicy, WebhookSettings, scopes};
use rdev_webhooks_domain::signing::{Headers, VerificationKey, Verifier};
use rdev_webhooks_testkit::Receiver;
use rdev_webhooks_testkit::receiver::{Reply, Script};
use secrecy::ExposeSecret;

use crate::scene::Scene;

/// Returns the id of the first delivery in an address or a page.
fn delivery(text: &str) -> DeliveryId {
    let start = text.find("dlv_").unwrap_or_else(|| panic!("no delivery in {text}"));
    text[start..start + 30].parse().unwrap()
}

fn once(settings: &mut WebhookSettings) {
    settings.retry = RetryPolicy::schedule(Vec::new()).unwrap();
}

#[tokio::test]
async fn a_failure_is_explained_and_mended_by_hand() {
    let scene = Scene::new().await;
    scene.deliver();
    let receiver = Receiver::start(Script::sequence([Reply::status(500), Reply::status(200)])).await;
    let settings = {
        let mut settings = WebhookSettings::new(receiver.url("/hook"), ["command.*".parse().unwrap()]);
        once(&mut settings);
        settings
    };
    let created = scene.system.webhooks().create(settings, None, true, Ids::fresh()).await.unwrap();
    let mut browser = scene.administrator().await;
    let path = format!("/console/webhooks/{}/test", created.webhook.id);
    browser.open(&format!("{path}?type=command.completed")).await.shows("command_id");
    let sent = browser.post(&path, &[("type", "command.completed"), ("data", r#"{"a":1.50}"#)]).await;
    let id = delivery(sent.location());
    scene.ended(id).await;
    browser.open(sent.location()).await.shows("Result").shows("Failed").shows("500");

    let address = format!("/console/deliveries/{id}");
    let page = browser.open(&address).await;
    page.shows("The receiver failed.").shows("All attempts failed").shows("1.50").shows("webhook-signature");
    page.shows("curl -sS -i -X POST").shows("Attempt 1").shows("Redeliver</button>").hides("Cancel</button>");
    browser
        .open(&format!("/console/webhooks/{}", created.webhook.id))
        .await
        .shows("Last failure")
        .shows("Failing");
    browser.open("/console/overview").await.shows("Needs a look").shows("1 of 1 webhooks need a look");

    let secret = created.secret.expose().expose_secret().to_owned();
    let verify = format!("{address}/verify");
    let right = [("attempt", "1"), ("secret", secret.as_str()), ("body", "")];
    let page = browser.post(&verify, &right).await;
    page.shows("The signature matches this secret.").hides(&secret);
    let changed = [("attempt", "1"), ("secret", secret.as_str()), ("body", r#"{"a":1.5}"#)];
    browser.post(&verify, &changed).await.shows("The secret is right, and the body was changed");
    let other = [("attempt", "1"), ("secret", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), ("body", "")];
    browser.post(&verify, &other).await.shows("No signature of this attempt was made with this secret.");
    browser.post(&verify, &[("secret", "x")]).await.shows("This is not a signing secret");

    let page = browser.submit(&format!("{address}/redeliver"), &[]).await;
    page.shows("The delivery is sent again now");
    receiver.wait_for(2, std::time::Duration::from_secs(20)).await;
    scene.ended(id).await;
    let page = browser.open(&address).await;
    page.shows("Succeeded").shows("Attempt 2").shows("manual");
    browser.open(&format!("{address}?attempt=1")).await.shows("Request of attempt 1").shows("Response 500");
    let cancelled = browser.post(&format!("{address}/cancel"), &[]).await;
    assert_eq!(cancelled.status, StatusCode::CONFLICT);
    cancelled.shows("has ended already");
}

#[tokio::test]
async fn a_command_is_signed_for_now_by_those_who_may_redeliver() {
    let scene = Scene::new().await;
    scene.deliver();
    let receiver = Receiver::start(Reply::status(500)).await;
    let mut settings = WebhookSettings::new(receiver.url("/hook"), ["*".parse().unwrap()]);
    once(&mut settings);
    settings.headers.insert("authorization", "Bearer hidden-value").unwrap();
    let created = scene.system.webhooks().create(settings, None, true, Ids::fresh()).await.unwrap();
    let secret = created.secret.expose().expose_secret().to_owned();
    scene.publish("command.completed", r#"{"a":1.50}"#).await;
    let mut browser = scene.administrator().await;
    let id = delivery(&browser.open("/console/deliveries").await.text);
    scene.ended(id).await;
    let address = format!("/console/deliveries/{id}?attempt=1");
    let header = |page: &str, name: &str| {
        let command = page.split("id=\"curl\"").nth(1).unwrap();
        let rest = command.split(&format!("{name}: ")).nth(1).unwrap();
        rest.split("&#39;").next().unwrap().to_owned()
    };
    let sent = browser.open(&address).await;
    sent.shows("The signature is that of this attempt").shows("Sign it now");
    let signed = browser.open(&format!("{address}&sign=now")).await;
    signed.shows("with the webhook's present secret").hides(&secret).hides("hidden-value");
    let (timestamp, signature) =
        (header(&signed.text, "webhook-timestamp"), header(&signed.text, "webhook-signature"));
    let verifier = Verifier::new(secret.parse::<VerificationKey>().unwrap());
    let body = scene.system.history().get(Access::everything(), id).await.unwrap().unwrap().request_body();
    let event = header(&signed.text, "webhook-id");
    let headers = Headers { id: Some(&event), timestamp: Some(&timestamp), signature: Some(&signature) };
    let now = scene.system.ambient().now().as_unix_seconds();
    verifier.verify(headers, &body, now).unwrap();

    // One who may only read gets the old signature.
    let mut reader = scene.holder(&[scopes::WEBHOOKS_READ], None).await;
    let page = reader.open(&format!("{address}&sign=now")).await;
    page.hides("Sign it now").hides("present secret").shows(&header(&sent.text, "webhook-signature"));
}

#[tokio::test]
async fn all_attempts_can_be_reached() {
    let scene = Scene::new().await;
    let webhook = scene.webhook("http://127.0.0.1:9/hook", |_| {}).await;
    scene.publish("command.completed", "{}").await;
    let mut browser = scene.administrator().await;
    let id = delivery(&browser.open("/console/deliveries").await.text);
    let folder = scene.folder().join("rdev.db");
    let insert = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120)
         INSERT INTO webhooks_attempts (delivery_id, number, \"trigger\", started_at, recorded_at, duration_ns, signature,
           failure_class, failure_detail)
         SELECT X'{0}', i, 'automatic', 0, 0, 1000000, '', 'timeout', 'attempt number ' || i FROM n;
         UPDATE webhooks_deliveries SET attempts = 120 WHERE id = X'{0}';",
        id.as_uuid().simple()
    );
    let status = std::process::Command::new("sqlite3").arg(&folder).arg(insert).status().unwrap();
    assert!(status.success() && webhook.version == 1);
    let address = format!("/console/deliveries/{id}");
    let page = browser.open(&address).await;
    page.shows(">Attempt 120<").shows(">Attempt 71<").hides(">Attempt 70<");
    page.shows(&format!("href=\"{address}?before=71\" rel=\"next\""));
    let page = browser.open(&format!("{address}?before=71")).await;
    page.shows(">Attempt 70<").shows(">Attempt 21<").hides(">Attempt 71<").shows(">Newest<");
    page.shows("attempt=70#attempt").shows("Attempt number 70.");
    let page = browser.open(&format!("{address}?before=71&attempt=33")).await;
    page.shows("Request of attempt 33").shows(">Attempt 70<");
    let page = browser.open(&format!("{address}?before=21")).await;
    page.shows(">Attempt 1<").hides("rel=\"next\"");
    // An attempt is found by its number alone.
    let page = browser.open(&format!("{address}?attempt=7")).await;
    page.shows("Request of attempt 7").shows(">Newest<");
    browser.open("/console/deliveries").await.shows("timed out");
}

#[tokio::test]
async fn a_row_is_redelivered_and_the_list_stays() {
    let scene = Scene::new().await;
    scene.webhook("http://127.0.0.1:9/hook", |_| {}).await;
    scene.publish("command.completed", "{}").await;
    let mut browser = scene.administrator().await;
    let page = browser.open("/console/deliveries?type=command.completed").await;
    let id = delivery(&page.text).to_string();
    page.shows(&format!("form=\"redeliver\" name=\"delivery\" value=\"{id}\""));
    page.shows("name=\"back\" value=\"/deliveries?type=command.completed\"");
    let action = page.form("/console/deliveries/redeliver");
    let back = "/deliveries?type=command.completed";
    let sent = browser.post(&action, &[("back", back), ("delivery", &id)]).await;
    assert_eq!(sent.location(), format!("/console{back}#{id}"));
    browser.open(&format!("/console{back}")).await.shows("The delivery is sent again now");
    let elsewhere = [("back", "//evil.example"), ("delivery", id.as_str())];
    assert_eq!(browser.post("/console/deliveries/redeliver", &elsewhere).await.location(), "/console");
    let unknown = browser.post("/console/deliveries/redeliver", &[("delivery", "x")]).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_feed_begins_with_the_newest_events_and_goes_on_after_them() {
    let scene = Scene::new().await;
    let first = scene.publish("command.completed", r#"{"project":"a"}"#).await;
    let mut browser = scene.administrator().await;
    let page = browser.open("/console/events/feed?project=a").await;
    page.shows(&first.to_string()).shows("data-stream=\"/console/events/live?project=a&amp;after=events%40");
    let stream =
        page.text.split("data-stream=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    scene.publish("command.completed", r#"{"project":"b"}"#).await;
    let second = scene.publish("command.failed", r#"{"project":"a"}"#).await;
    let text = browser.stream(&stream, &second.to_string()).await;
    assert!(text.contains("id: events@") && text.contains("event: event\n"), "{text}");
    assert_eq!(text.matches("\"evt_").count(), 1, "{text}");
    let rows = browser.open(&format!("/console/events/rows?id={first}&id={second}")).await;
    rows.shows("command.failed").shows("reached no webhook").hides("<html");
    browser.open("/console/events/feed?type=..").await.shows("type-fault").hides("data-stream");
}

#[tokio::test]
async fn deliveries_are_filtered_by_their_address() {
    let scene = Scene::new().await;
    scene.webhook("http://127.0.0.1:9/hook", |_| {}).await;
    let first = scene.publish("command.completed", r#"{"project":"a","command_id":"cmd-1"}"#).await;
    scene.publish("command.failed", r#"{"project":"b"}"#).await;
    let mut browser = scene.administrator().await;
    let all = browser.open("/console/deliveries").await;
    all.shows("command.completed").shows("command.failed").shows("data-stream=\"/console/live\"");
    for (query, shown, hidden) in [
        ("type=command.failed", "command.failed", "command.completed"),
        ("project=a", "command.completed", "command.failed"),
        ("status=pending&command=cmd-1", "command.completed", "command.failed"),
        (&format!("event={first}"), "command.completed", "command.failed"),
    ] {
        let page = browser.open(&format!("/console/deliveries?{query}")).await;
        page.shows(&format!(">{shown}</a>")).hides(&format!(">{hidden}</a>"));
    }
    browser.open("/console/deliveries?status=failed").await.shows("No delivery matches this filter.");
    let page = browser.open("/console/deliveries?status=lost&code=7&since=now").await;
    page.shows("status-fault").shows("code-fault").shows("since-fault");

    let id = delivery(&all.text);
    browser.headers.push(("x-rdev-part", "1".to_owned()));
    let rows = browser.open(&format!("/console/deliveries/rows?id={id}&id=dlv_wrong")).await;
    rows.shows(&format!("<tr id=\"{id}\" data-status=\"pending\">")).hides("<html");
}

#[tokio::test]
async fn a_waiting_delivery_says_for_what_and_can_be_cancelled() {
    let scene = Scene::new().await;
    let webhook = scene.webhook("http://127.0.0.1:9/hook", |_| {}).await;
    scene.publish("command.completed", "{}").await;
    scene.system.webhooks().update(&webhook, webhook.settings.clone(), false).await.unwrap();
    let mut browser = scene.administrator().await;
    let page = browser.open("/console/deliveries").await;
    page.shows("Waits until the webhook is enabled");
    let address = format!("/console/deliveries/{}", delivery(&page.text));
    browser.open(&address).await.shows("Nothing was sent yet.").hides("Redeliver</button>");
    let refused = browser.post(&format!("{address}/redeliver"), &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    browser
        .submit(&format!("{address}/cancel"), &[])
        .await
        .shows("The delivery was cancelled.")
        .shows("On request");
}

#[tokio::test]
async fn a_delivery_that_waits_for_the_rate_says_when_it_may_be_sent() {
    let scene = Scene::new().await;
    scene.deliver();
    let receiver = Receiver::start(Script::sequence([Reply::status(200)])).await;
    scene
        .webhook(&receiver.url("/hook").to_string(), |settings| {
            settings.rate_limit = RateLimit::per_second(0.001);
        })
        .await;
    for _ in 0..2 {
        scene.publish("command.completed", "{}").await;
    }
    let mut browser = scene.administrator().await;
    let reason = "Waits for the rate limit; at the earliest <time";
    let page = scene.eventually(&mut browser, "/console/deliveries?status=pending", reason).await;
    let address = format!("/console/deliveries/{}", delivery(&page.text));
    browser.open(&address).await.shows(reason);
}

#[tokio::test]
async fn an_event_says_why_it_reached_no_one_and_what_to_do() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let form = [("type", "command.completed"), ("data", r#"{"project":"a"}"#)];
    let page = browser.submit("/console/events/new", &form).await;
    page.shows("The event was accepted, and reached no webhook.").shows("No webhook subscribes to it.");
    page.shows("/console/webhooks/new?events=command.completed");
    let start = page.text.find("evt_").unwrap();
    let event = page.text[start..start + 30].to_owned();
    let webhook = scene.webhook("http://127.0.0.1:9/hook", |_| {}).await;
    let page = browser.open(&format!("/console/events/{event}")).await;
    page.shows("It was created after the event was accepted.").shows("Replay it").shows("status=missing");
    scene.system.webhooks().update(&webhook, webhook.settings.clone(), false).await.unwrap();
    let page = browser.open(&format!("/console/events/{event}")).await;
    page.shows("is disabled now").shows(&format!("/console/webhooks/{}/enable", webhook.id));
    browser
        .open("/console/events?type=command.completed&project=a")
        .await
        .shows(&event)
        .shows("reached no webhook");
    let wrong = browser.post("/console/events/new", &[("type", "command.completed"), ("data", "[1]")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.shows("data-fault").shows("must be a JSON object");
}

#[tokio::test]
async fn a_body_is_stored_as_a_file() {
    let scene = Scene::new().await;
    scene.webhook("http://127.0.0.1:9/hook", |_| {}).await;
    scene.publish("command.completed", r#"{"a":1.50}"#).await;
    let mut browser = scene.administrator().await;
    let id = delivery(&browser.open("/console/deliveries").await.text);
    let file = browser.open(&format!("/console/deliveries/{id}/body")).await;
    assert!(file.headers[CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment; "));
    assert!(file.text.ends_with(r#""data":{"a":1.50}}"#));
    let none = browser.get(&format!("/console/deliveries/{id}/attempts/1/body")).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}
