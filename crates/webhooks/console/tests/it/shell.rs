//! Signing in and out, the headers of every page, and refused requests.

use http::StatusCode;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, SET_COOKIE};
use rdev_webhooks::console::{Authorized, ConsoleOptions, Hosts, Refusal, Router, SignInLink};
use rdev_webhooks::domain::{Access, PageRequest, scopes};
use rdev_webhooks_testkit::Receiver;
use rdev_webhooks_testkit::receiver::Reply;

use crate::scene::{KEY, Scene};
use rdev_pages::browser::Browser;

#[tokio::test]
async fn a_reader_signs_in_and_comes_to_the_page_it_asked_for() {
    let scene = Scene::new().await;
    let mut browser = scene.browser();
    let sent = browser.get("/console/webhooks?state=disabled").await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    assert_eq!(sent.location(), "/console/sign-in?next=%2Fwebhooks%3Fstate%3Ddisabled");
    browser.open(sent.location()).await.shows(r#"name="next" value="/webhooks?state=disabled""#);

    let wrong = browser.post("/console/sign-in", &[("key", "rdev_wrong"), ("next", "/webhooks")]).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    wrong.shows("No such API key is valid").hides("rdev_wrong");
    assert!(browser.cookies.is_empty());

    let fields = [("key", KEY), ("next", "/webhooks?state=disabled")];
    let answer = browser.post("/console/sign-in", &fields).await;
    assert_eq!(answer.location(), "/console/webhooks?state=disabled");
    let cookie = answer.headers.get(SET_COOKIE).unwrap().to_str().unwrap();
    assert!(cookie.contains("; Path=/console; ") && cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(!cookie.contains(KEY));
    browser.open("/console/webhooks").await.shows("administrator").shows("Sign out");

    let out = browser.post("/console/sign-out", &[]).await;
    assert_eq!(out.location(), "/console/sign-in");
    assert_eq!(browser.get("/console/webhooks").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_ends_with_its_key() {
    let scene = Scene::new().await;
    let mut browser = scene.holder(&[scopes::WEBHOOKS_READ], None).await;
    browser.open("/console/webhooks").await.shows("holder").hides("New webhook");
    let keys = scene.system.api_keys().list(PageRequest { limit: 1, before: None }).await.unwrap();
    scene.system.api_keys().delete(keys.items[0].id).await.unwrap();
    assert_eq!(browser.get("/console/webhooks").await.status, StatusCode::SEE_OTHER);
    let change = browser.post("/console/webhooks/new", &[]).await;
    assert_eq!(change.status, StatusCode::UNAUTHORIZED);
    change.shows("The session has ended");
}

#[tokio::test]
async fn a_cookie_that_was_changed_is_no_session() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    for value in browser.cookies.values_mut() {
        let place = value.len() - 3..value.len() - 2;
        let other = if &value[place.clone()] == "A" { "B" } else { "A" };
        value.replace_range(place, other);
    }
    assert_eq!(browser.get("/console/webhooks").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_key_without_the_scope_gets_no_page() {
    let scene = Scene::new().await;
    let mut browser = scene.holder(&[scopes::EVENTS_WRITE], None).await;
    let refused = browser.get("/console/webhooks").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    refused.shows("lacks the scope webhooks:read").hides("/console/webhooks\"");
}

#[tokio::test]
async fn a_link_signs_in_once_and_only_by_its_button() {
    let scene = Scene::new().await;
    let (link, path) = SignInLink::new(scene.system.ambient());
    let router = scene.mounted(ConsoleOptions::new(KEY.into()).with_sign_in_link(link));
    let mut browser = Browser::new(router.clone());
    let address = format!("/console{path}");
    // A preview opens it.
    Browser::new(router.clone()).open(&address).await.shows("Sign in as administrator");
    browser.open(&address).await;
    assert!(browser.cookies.is_empty());
    let token = path.rsplit('=').next().unwrap();
    let page = browser.submit("/console/sign-in/link", &[("token", token)]).await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("administrator");
    let again = Browser::new(router.clone()).post("/console/sign-in/link", &[("token", token)]).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    Browser::new(router).open(&address).await.shows("was used").hides("Sign in as administrator");
}

#[tokio::test]
async fn every_response_has_the_security_headers() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                  form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
    for path in ["", "/webhooks", "/sign-in", "/nothing", "/assets/nothing"] {
        let page = browser.get(&format!("/console{path}")).await;
        let header = |name| page.headers.get(name).map_or("", |value| value.to_str().unwrap());
        assert_eq!(header("content-security-policy"), policy, "{path}");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-content-type-options"), "nosniff");
        if !path.starts_with("/assets") {
            assert_eq!(header("cache-control"), "no-store", "{path}");
            page.hides(" style=").hides("<script>").hides("javascript:").hides(" onclick");
        }
    }
}

#[tokio::test]
async fn assets_are_kept_by_browsers_and_small() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    scene.webhook("https://example.com/webhook", |_| {}).await;
    for _ in 0..25 {
        scene.publish("command.completed", r#"{"project":"my-project"}"#).await;
    }
    let page = browser.open("/console/deliveries").await;
    assert!(page.text.contains("Older"), "the list is full");
    let mut total = page.text.len();
    for suffix in [".css", ".mjs"] {
        let end = page.text.find(suffix).unwrap() + suffix.len();
        let start = page.text[..end].rfind('"').unwrap() + 1;
        let asset = browser.open(&page.text[start..end]).await;
        assert!(asset.headers[CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        total += asset.text.len();
    }
    assert!(total < 60 * 1_024, "{total} bytes");
}

#[tokio::test]
async fn a_page_with_large_bodies_is_small_on_the_wire() {
    let scene = Scene::new().await;
    scene.deliver();
    // Digits in no order, which compress worse than what people send.
    let digits = |count: u64| -> String {
        let mixed = (1..=count).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40);
        mixed.map(|number| char::from_digit(u32::try_from(number % 36).unwrap(), 36).unwrap()).collect()
    };
    let receiver =
        Receiver::start(Reply::status(500).body(format!("{{\"a\":\"{}\"}}", digits(16_000)))).await;
    scene.webhook(receiver.url("/hook").as_str(), |_| {}).await;
    let data = format!("{{\"a\":\"{}\"}}", digits(250_000));
    scene.publish("command.completed", &data).await;
    let mut browser = scene.administrator().await;
    let list = browser.open("/console/deliveries").await.text;
    let id = &list[list.find("dlv_").unwrap()..][..30];
    let address = format!("/console/deliveries/{id}");
    let plain = scene.eventually(&mut browser, &address, "Response 500").await;
    plain.shows("Cut here after 16 KiB").shows(&format!("--data-binary &#39;@{id}.json&#39;"));
    browser.headers.push((ACCEPT_ENCODING.as_str(), "gzip".to_owned()));
    let mut total = browser.open(&address).await.bytes;
    for suffix in [".css", ".mjs"] {
        let end = plain.text.find(suffix).unwrap() + suffix.len();
        let start = plain.text[..end].rfind('"').unwrap() + 1;
        total += browser.open(&plain.text[start..end]).await.bytes;
    }
    assert!(total < 60 * 1_024, "{total} bytes");
    assert!(plain.bytes > 60 * 1_024, "the compression shows");
    // A page with a new secret is not compressed.
    let form = [
        ("url", "https://example.com/new"),
        ("events", "*"),
        ("attempts", "3"),
        ("waits", "5s, 10s"),
        ("format", "rdev"),
        ("signing", "hmac-sha256"),
    ];
    let made = browser.submit("/console/webhooks/new", &form).await;
    assert!(!made.headers.contains_key(CONTENT_ENCODING));
    made.shows("value=\"whsec_");
}

#[tokio::test]
async fn a_change_from_another_site_is_refused() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    for (name, value, is_refused) in [
        ("sec-fetch-site", "cross-site", true),
        ("sec-fetch-site", "same-site", true),
        ("origin", "http://evil.example", true),
        ("origin", "null", true),
        ("sec-fetch-site", "same-origin", false),
        ("origin", "http://127.0.0.1:8080", false),
    ] {
        browser.headers = vec![(name, value.to_owned())];
        let answer = browser.post("/console/sign-out", &[("x", "y")]).await;
        let expected = if is_refused { StatusCode::FORBIDDEN } else { StatusCode::SEE_OTHER };
        assert_eq!(answer.status, expected, "{name}: {value}");
        if is_refused {
            answer.shows("came from another site");
        }
    }
}

#[tokio::test]
async fn a_form_of_ours_is_accepted_by_what_its_browser_says() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    // Over HTTPS and on loopback addresses browsers send Sec-Fetch-Site, and `null` for the origin of a page with
    // no-referrer. Over plain HTTP elsewhere they send the origin alone, and need another policy for that.
    browser.headers = vec![("sec-fetch-site", "same-origin".to_owned()), ("origin", "null".to_owned())];
    assert_eq!(browser.post("/console/sign-out", &[]).await.status, StatusCode::SEE_OTHER);
    let mut browser = scene.administrator().await;
    browser.headers = vec![("host", "hooks.example".to_owned())];
    let page = browser.open("/console/webhooks").await;
    assert_eq!(page.headers["referrer-policy"], "same-origin");
    browser.headers.push(("origin", "http://hooks.example".to_owned()));
    assert_eq!(browser.post("/console/sign-out", &[]).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_loopback_console_answers_to_its_own_names() {
    let scene = Scene::new().await;
    let hosts = Hosts::loopback_and(["hooks.example".to_owned()]);
    let mut browser = Browser::new(scene.mounted(ConsoleOptions::new(KEY.into()).with_hosts(hosts)));
    for (host, status) in [
        ("127.0.0.1:8080", StatusCode::OK),
        ("localhost", StatusCode::OK),
        ("hooks.example", StatusCode::OK),
        ("rebound.example:8080", StatusCode::MISDIRECTED_REQUEST),
    ] {
        browser.headers = vec![("host", host.to_owned())];
        assert_eq!(browser.get("/console/sign-in").await.status, status, "{host}");
    }
}

#[tokio::test]
async fn links_follow_the_mount_and_the_proxy() {
    let scene = Scene::new().await;
    let options = ConsoleOptions::new(KEY.into());
    let router = Router::new().nest_service("/ops/hooks", scene.system.console::<()>(options));
    let mut browser = Browser::new(router);
    let answer = browser.post("/ops/hooks/sign-in", &[("key", KEY)]).await;
    assert_eq!(answer.location(), "/ops/hooks");
    assert_eq!(browser.get("/ops/hooks").await.location(), "/ops/hooks/overview");
    browser.open("/ops/hooks/overview").await.shows("href=\"/ops/hooks/webhooks\"");
    assert_eq!(browser.get("/ops/hooks/").await.location(), "/ops/hooks/overview");
    browser.headers = vec![("x-forwarded-prefix", "/edge".to_owned())];
    browser.open("/ops/hooks/webhooks").await.shows("href=\"/edge/ops/hooks/webhooks\"");
}

#[tokio::test]
async fn a_host_decides_who_is_signed_in() {
    let scene = Scene::new().await;
    let options = ConsoleOptions::authorized_by(async |request| {
        let user = request.headers.get("x-user").and_then(|user| user.to_str().ok());
        let user = user.ok_or_else(|| Refusal::unauthenticated("Sign in to the shop first."))?;
        Ok(Authorized::new(user, Access::new([scopes::WEBHOOKS_READ])))
    });
    let mut browser = Browser::new(scene.mounted(options));
    let refused = browser.get("/console/webhooks").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    refused.shows("Sign in to the shop first.").hides("/sign-in");
    browser.headers = vec![("x-user", "ada".to_owned())];
    browser.open("/console/webhooks").await.shows("ada").hides("Sign out").hides("New webhook");
    assert_eq!(browser.get("/console/sign-in").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_unknown_page_says_so() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let page = browser.get("/console/nothing").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    page.shows("There is no such page.");
    let page = browser.post("/console/webhooks", &[]).await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
}
