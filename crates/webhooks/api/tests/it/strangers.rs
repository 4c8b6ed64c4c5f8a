//! A key of one project learns nothing of another project's resources.
//!
//! The test requests each route of the API with resources of the other project, and with names and ids that
//! do not exist: the responses must be equal.

use std::collections::BTreeSet;

use rdev_webhooks_domain::ports::Clock;
use rdev_webhooks_domain::{FailureReason, Settled};
use rdev_webhooks_testkit::samples;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::scene::{Scene, request};

/// A request. In its path and its body `{whk}`, `{evt}`, `{dlv}`, `{rpl}` and `{key}` stand for ids of the
/// other project's resources, `{project}` for the other project's name, and `{type}` for [`TYPE`].
struct Try(&'static str, &'static str, &'static str, u16);

/// Requests for every route. A new route needs a line here.
const TRIES: &[Try] = &[
    Try("GET", "/healthz", "", 200),
    Try("GET", "/readyz", "", 200),
    Try("GET", "/metrics", "", 200),
    Try("GET", "/openapi.json", "", 200),
    Try("GET", "/docs", "", 200),
    Try("GET", "/webhooks", "", 200),
    Try("GET", "/webhooks?project={project}", "", 200),
    Try("GET", "/webhooks?event=command.failed&enabled=true&limit=100", "", 200),
    Try(
        "POST",
        "/webhooks",
        r#"{"url":"https://a.example/","events":["*"],"projects":["{project}","mine"]}"#,
        422,
    ),
    Try("GET", "/webhooks/{whk}", "", 404),
    Try("PATCH", "/webhooks/{whk}", r#"{"description":"mine now"}"#, 404),
    Try("PATCH", "/webhooks/{whk}", r#"{"projects":["mine"]}"#, 404),
    Try("PATCH", "/webhooks/{whk}", r#"{"projects":["{project}"],"nonsense":1}"#, 404),
    Try("DELETE", "/webhooks/{whk}", "", 404),
    Try("POST", "/webhooks/{whk}/secret/rotate", "", 404),
    Try("POST", "/webhooks/{whk}/secret/rotate", r#"{"overlap_seconds":-1}"#, 404),
    Try("POST", "/webhooks/{whk}/test", "", 404),
    Try("GET", "/webhooks/{whk}/jwks.json", "", 404),
    Try("GET", "/webhooks/{whk}/deliveries", "", 404),
    Try("GET", "/webhooks/{whk}/deliveries?status=failed&project={project}", "", 404),
    Try("GET", "/webhooks/{whk}/stats", "", 404),
    Try("GET", "/webhooks/{whk}/stats?window=7d", "", 404),
    Try("POST", "/webhooks/{whk}/replay", r#"{"since":"2025-01-01T00:00:00Z"}"#, 404),
    Try("POST", "/webhooks/{whk}/replay", r#"{"since":"2025-01-01T00:00:00Z","dry_run":true}"#, 404),
    Try("POST", "/webhooks/{whk}/replay", r#"{"since":1}"#, 404),
    Try("GET", "/webhooks/{whk}/replays", "", 404),
    Try("GET", "/webhooks/{whk}/replays/{rpl}", "", 404),
    Try("POST", "/webhooks/{whk}/replays/{rpl}/cancel", "", 404),
    Try("GET", "/events", "", 200),
    Try("GET", "/events?project={project}&limit=1", "", 200),
    Try("GET", "/events?event=command.failed&since=2000-01-01T00:00:00Z", "", 200),
    Try("POST", "/events", r#"{"event":"command.failed","id":"k3y","data":{"project":"{project}"}}"#, 422),
    Try("POST", "/events", r#"{"event":"command.failed","data":{}}"#, 422),
    Try(
        "POST",
        "/events/batch",
        r#"{"events":[{"event":"command.failed","data":{"project":"mine"}},{"event":"command.failed","data":{"project":"{project}"}}]}"#,
        422,
    ),
    // A separate test covers the content of an open stream.
    Try("GET", "/events/stream?limit=1", "", 422),
    Try("GET", "/events/feed", "", 200),
    Try("GET", "/events/feed?project={project}", "", 200),
    Try("GET", "/events/{evt}", "", 404),
    // Event types belong to no project, and every key can read them.
    Try("GET", "/event-types", "", 200),
    Try("GET", "/event-types/{type}", "", 200),
    Try("PUT", "/event-types/{type}", r#"{"description":"{project}"}"#, 403),
    Try("DELETE", "/event-types/{type}", "", 403),
    Try("GET", "/deliveries", "", 200),
    Try("GET", "/deliveries?webhook={whk}", "", 200),
    Try("GET", "/deliveries?event={evt}", "", 200),
    Try("GET", "/deliveries?code=200", "", 200),
    Try("GET", "/deliveries?class=timeout", "", 200),
    Try("GET", "/deliveries?trigger=automatic", "", 200),
    Try("GET", "/deliveries?data.command_id=cmd-123", "", 200),
    Try("GET", "/events?data.command_id=cmd-123", "", 200),
    Try("GET", "/events?key=key", "", 200),
    Try("GET", "/webhooks?metadata.tenant=acme", "", 200),
    Try("GET", "/deliveries?project={project}&status=failed", "", 200),
    Try("GET", "/deliveries/{dlv}", "", 404),
    Try("GET", "/deliveries/{dlv}/attempts", "", 404),
    Try("POST", "/deliveries/{dlv}/cancel", "", 404),
    Try("POST", "/deliveries/{dlv}/redeliver", "", 404),
    Try("GET", "/api-keys", "", 403),
    Try("POST", "/api-keys", r#"{"scopes":["webhooks:read"],"projects":["{project}"]}"#, 403),
    Try("GET", "/api-keys/{key}", "", 403),
    Try("DELETE", "/api-keys/{key}", "", 403),
];

/// A text that is in all of the other project's resources.
const NEEDLE: &str = "n33dle";

/// An event type, which belongs to no project.
const TYPE: &str = "command.failed";

/// The values of the placeholders.
type Names = [(&'static str, String); 7];

/// Two projects, and a key that is restricted to the first; the second has many resources.
struct World {
    scene: Scene,
    key: String,
    /// The other project's resources.
    theirs: Names,
    /// Ids of the other project's resources, and of webhooks for all projects.
    hidden: Vec<String>,
}

impl World {
    async fn new() -> Self {
        let scene = Scene::new();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let webhook = async |host: &str, projects: Value| {
            let body = json!({"url": format!("https://{host}.example/{NEEDLE}"), "events": ["*"],
                "projects": projects, "description": NEEDLE, "headers": {(NEEDLE): "x"}});
            text(&scene.post("/webhooks", body.to_string()).await.expect(201).json()["id"])
        };
        let their_webhook = webhook("theirs", json!([NEEDLE])).await;
        let everybodys = webhook("everybodys", json!([])).await;
        let of_both = webhook("both", json!([NEEDLE, "mine"])).await;
        let event = json!({"event": "command.failed", "id": "k3y", "data": {"project": NEEDLE, "a": NEEDLE}});
        let event = text(&scene.post("/events", event.to_string()).await.expect(202).json()["id"]);
        let attempt = samples::attempt(1, scene.clock.now(), 500);
        scene.attempt(&their_webhook, Settled::Failed(FailureReason::AttemptsExhausted), attempt).await;
        let listed = scene.get(&format!("/deliveries?webhook={their_webhook}")).await.expect(200).json();
        let delivery = text(&listed["data"][0]["id"]);
        let replay = scene
            .post(&format!("/webhooks/{their_webhook}/replay"), r#"{"since":"2025-01-01T00:00:00Z"}"#)
            .await;
        let replay = text(&replay.expect(202).json()["id"]);
        let made = json!({"name": NEEDLE, "scopes": ["webhooks:read"], "projects": [NEEDLE]});
        let their_key = text(&scene.post("/api-keys", made.to_string()).await.expect(201).json()["id"]);

        let own = json!({"url": "https://mine.example/", "events": ["*"], "projects": ["mine"]});
        scene.post("/webhooks", own.to_string()).await.expect(201);
        let own = json!({"event": "command.failed", "data": {"project": "mine"}});
        scene.post("/events", own.to_string()).await.expect(202);
        let limited =
            json!({"scopes": ["events:write", "webhooks:read", "webhooks:write"], "projects": ["mine"]});
        let key = text(&scene.post("/api-keys", limited.to_string()).await.expect(201).json()["key"]);

        let hidden = vec![everybodys, of_both, NEEDLE.to_owned(), "k3y".to_owned()];
        let theirs = [
            ("{whk}", their_webhook),
            ("{evt}", event),
            ("{dlv}", delivery),
            ("{rpl}", replay),
            ("{key}", their_key),
            ("{project}", NEEDLE.to_owned()),
            ("{type}", TYPE.to_owned()),
        ];
        Self { scene, key, theirs, hidden }
    }

    /// Sends a request with the project-scoped key.
    async fn send(&self, method: &str, path: &str, body: String) -> Answer {
        let authorization = format!("Bearer {}", self.key);
        let mut headers = vec![("authorization", authorization.as_str()), ("x-request-id", "same")];
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        self.scene.send(request(method, path, &headers, body)).await
    }

    /// Returns the other project's resources as a caller without restriction sees them.
    async fn their_things(&self) -> String {
        let [(_, webhook), (_, event), (_, delivery), (_, replay), (_, key), ..] = &self.theirs;
        let mut seen = String::new();
        for path in [
            format!("/webhooks/{webhook}"),
            format!("/webhooks/{webhook}/deliveries"),
            format!("/webhooks/{webhook}/replays/{replay}"),
            format!("/events/{event}"),
            format!("/deliveries/{delivery}"),
            format!("/deliveries/{delivery}/attempts"),
            format!("/api-keys/{key}"),
        ] {
            seen.push_str(self.scene.get(&path).await.expect(200).text());
        }
        seen
    }
}

/// Returns names and ids that do not exist.
fn nothings() -> Names {
    [
        ("{whk}", "whk_01h455vb4pex5vsknk084sn02q".to_owned()),
        ("{evt}", "evt_01h455vb4pex5vsknk084sn02q".to_owned()),
        ("{dlv}", "dlv_01h455vb4pex5vsknk084sn02q".to_owned()),
        ("{rpl}", "rpl_01h455vb4pex5vsknk084sn02q".to_owned()),
        ("{key}", "key_01h455vb4pex5vsknk084sn02q".to_owned()),
        ("{project}", "nobodys".to_owned()),
        ("{type}", TYPE.to_owned()),
    ]
}

fn fill(text: &str, names: &Names) -> String {
    names.iter().fold(text.to_owned(), |text, (placeholder, name)| text.replace(placeholder, name))
}

/// Returns a complete response, with the names that were sent replaced by their placeholders.
fn shape(answer: &Answer, names: &Names) -> String {
    let whole = format!("{} {:?}\n{}", answer.status, answer.headers, answer.text());
    names.iter().fold(whole, |whole, (placeholder, name)| whole.replace(name, placeholder))
}

#[tokio::test]
async fn resources_of_others_are_answered_like_unknown_ones() {
    let world = World::new().await;
    let before = world.their_things().await;
    for Try(method, path, body, status) in TRIES {
        let answered = async |names: &Names| {
            let answer = world.send(method, &fill(path, names), fill(body, names)).await;
            (answer.status.as_u16(), shape(&answer, names))
        };
        let (found, theirs) = answered(&world.theirs).await;
        assert_eq!(found, *status, "{method} {path} {body}\n{theirs}");
        let (_, nothing) = answered(&nothings()).await;
        // Only values that the server generates for each response may differ, and these responses contain
        // none.
        assert_eq!(theirs, nothing, "{method} {path} {body}");
        for hidden in &world.hidden {
            assert!(!theirs.contains(hidden), "{hidden} is in the answer to {method} {path}\n{theirs}");
        }
    }
    assert_eq!(world.their_things().await, before, "a request changed resources of the other project");
}

/// Returns the routes of the API as its source lists them: axum's router cannot list them.
fn routes() -> BTreeSet<(&'static str, &'static str)> {
    let sources = [include_str!("../../src/routes.rs"), include_str!("../../src/openapi/routes.rs")];
    let mut routes = BTreeSet::new();
    for route in sources.into_iter().flat_map(|source| source.split(".route(").skip(1)) {
        let path = route.split('"').nth(1).unwrap();
        for (call, method) in
            [("get(", "GET"), ("post(", "POST"), ("put(", "PUT"), ("patch(", "PATCH"), ("delete(", "DELETE")]
        {
            if route.contains(call) {
                routes.insert((method, path));
            }
        }
    }
    routes
}

#[test]
fn every_route_is_in_the_table() {
    let placeholder = |path: &'static str| {
        let path = path.split('?').next().unwrap();
        let generic = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
        generic.collect::<Vec<_>>().join("/")
    };
    let routes: BTreeSet<_> =
        routes().into_iter().map(|(method, path)| (method, placeholder(path))).collect();
    assert!(routes.len() >= 20, "too few routes in the source: {routes:?}");
    let tried: BTreeSet<_> = TRIES.iter().map(|Try(method, path, ..)| (*method, placeholder(path))).collect();
    let untried: Vec<_> = routes.difference(&tried).collect();
    assert!(untried.is_empty(), "not in TRIES: {untried:?}");
    let gone: Vec<_> = tried.difference(&routes).collect();
    assert!(gone.is_empty(), "in TRIES, but no such route: {gone:?}");
}

#[tokio::test]
async fn a_cursor_from_another_callers_list_leads_only_to_own_items() {
    let world = World::new().await;
    for path in ["/webhooks", "/events", "/deliveries"] {
        let own = world.send("GET", path, String::new()).await.expect(200).json()["data"].clone();
        assert_eq!(own.as_array().unwrap().len(), 1, "{own}");
        let all = world.scene.get(&format!("{path}?limit=1")).await.expect(200).json();
        let mut cursor = all["next_cursor"].clone();
        while let Some(text) = cursor.as_str() {
            let page = world.send("GET", &format!("{path}?cursor={text}"), String::new()).await.expect(200);
            let data = page.json()["data"].clone();
            assert!(data == own || data == json!([]), "{data}");
            assert_eq!(page.header("link"), "");
            let next = world.scene.get(&format!("{path}?limit=1&cursor={text}")).await.expect(200).json();
            cursor = next["next_cursor"].clone();
        }
    }
}
