//! Bad requests one by one: each is refused with its status, code and places, and changes nothing.

use crate::scene::{Scene, request};

/// A request that is to be refused.
pub(crate) struct Bad {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) places: Vec<&'static str>,
}

/// A JSON body with faults at these places.
pub(crate) fn invalid(
    method: &'static str,
    path: &str,
    body: impl Into<Vec<u8>>,
    places: &[&'static str],
) -> Bad {
    let refused = refused(method, path, 422, "validation_failed");
    Bad {
        headers: vec![("content-type", "application/json")],
        body: body.into(),
        places: places.to_vec(),
        ..refused
    }
}

/// A request without a body.
pub(crate) fn refused(method: &'static str, path: &str, status: u16, code: &'static str) -> Bad {
    Bad {
        method,
        path: path.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        status,
        code,
        places: Vec::new(),
    }
}

/// Sends each of them to an API that has something to lose. `{whk}` in a path is a webhook that is
/// there.
pub(crate) async fn check(table: Vec<Bad>) {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    scene.event().await;
    let before = scene.everything().await;
    for bad in table {
        let path = bad.path.replace("{whk}", &webhook);
        let sent = request(bad.method, &path, &bad.headers, bad.body.clone());
        let answer = scene.send(sent).await;
        let body = String::from_utf8_lossy(&bad.body[..bad.body.len().min(300)]).into_owned();
        let what = format!("{} {path} {:?} {body}\n{}", bad.method, bad.headers, answer.text());
        assert_eq!(answer.status.as_u16(), bad.status, "{what}");
        assert_eq!(answer.code(), bad.code, "{what}");
        assert_eq!(answer.places(), bad.places, "{what}");
        assert_eq!(scene.everything().await, before, "{what}");
    }
}

#[tokio::test]
async fn paths_and_methods() {
    let mut table = vec![];
    for path in [
        "/",
        "//",
        "/nothing",
        "/webhooks/",
        "/events/",
        "/healthz/",
        "/WEBHOOKS",
        "/webhooks/{whk}/",
        "/webhooks/{whk}/nothing",
        "/webhooks/nonsense",
        "/webhooks/evt_01h455vb4pex5vsknk084sn02q",
        "/webhooks/whk_01h455vb4pex5vsknk084sn02q",
        "/webhooks/whk_01H455VB4PEX5VSKNK084SN02Q",
        "/webhooks/whk_",
        "/webhooks/%FF",
        "/webhooks/%00",
        "/webhooks/..%2F..%2Fetc",
        "/webhooks/whk_01h455vb4pex5vsknk084sn02q/deliveries",
        "/events/whk_01h455vb4pex5vsknk084sn02q",
        "/events/evt_01h455vb4pex5vsknk084sn02q",
        "/deliveries/evt_01h455vb4pex5vsknk084sn02q",
        "/deliveries/dlv_01h455vb4pex5vsknk084sn02q",
        "/deliveries/dlv_01h455vb4pex5vsknk084sn02q/attempts",
        "/deliveries/x/attempts",
    ] {
        table.push(refused("GET", path, 404, "not_found"));
    }
    for (method, path) in [
        ("DELETE", "/webhooks/whk_01h455vb4pex5vsknk084sn02q"),
        ("DELETE", "/webhooks/dlv_01h455vb4pex5vsknk084sn02q"),
        ("POST", "/webhooks/whk_01h455vb4pex5vsknk084sn02q/secret/rotate"),
        ("POST", "/webhooks/dlv_01h455vb4pex5vsknk084sn02q/secret/rotate"),
        ("POST", "/webhooks/whk_01h455vb4pex5vsknk084sn02q/test"),
        ("POST", "/deliveries/dlv_01h455vb4pex5vsknk084sn02q/cancel"),
        ("POST", "/deliveries/whk_01h455vb4pex5vsknk084sn02q/cancel"),
        ("POST", "/deliveries/dlv_01h455vb4pex5vsknk084sn02q/redeliver"),
        ("POST", "/deliveries/whk_01h455vb4pex5vsknk084sn02q/redeliver"),
        ("POST", "/nothing"),
        ("POST", "/webhooks//test"),
    ] {
        table.push(refused(method, path, 404, "not_found"));
    }
    for (method, path) in [
        ("PUT", "/webhooks"),
        ("DELETE", "/webhooks"),
        ("POST", "/webhooks/{whk}"),
        ("GET", "/webhooks/{whk}/test"),
        ("DELETE", "/events"),
        ("OPTIONS", "/events"),
        ("TRACE", "/deliveries"),
        ("POST", "/deliveries"),
        ("WHATEVER", "/webhooks"),
        ("POST", "/readyz"),
    ] {
        table.push(refused(method, path, 405, "method_not_allowed"));
    }
    check(table).await;
}

#[tokio::test]
async fn a_refusal_helps() {
    let scene = Scene::new();
    for (path, expected) in [
        ("/webhooks/evt_01h455vb4pex5vsknk084sn02q", "starts with `whk_`"),
        ("/deliveries/whk_1", "starts with `dlv_`"),
        ("/webhooks/", "no slash"),
    ] {
        let answer = scene.get(path).await.expect(404);
        assert!(answer.detail().contains(expected), "{}", answer.detail());
    }
    let allow = |answer: &crate::answer::Answer| {
        let mut methods: Vec<_> = answer.header("allow").split(',').map(|m| m.trim().to_owned()).collect();
        methods.sort();
        methods.join(" ")
    };
    let answer = scene.call("PUT", "/webhooks", &[]).await.expect(405);
    assert_eq!(allow(&answer), "GET HEAD POST");
    let answer = scene.call("PUT", "/webhooks/x", &[]).await.expect(405);
    assert_eq!(allow(&answer), "DELETE GET HEAD PATCH");
    let answer = scene.call("GET", "/deliveries/x/redeliver", &[]).await.expect(405);
    assert_eq!(allow(&answer), "POST");
}

#[tokio::test]
async fn queries() {
    let mut table = vec![];
    for (path, places) in [
        ("/webhooks?limit=0", vec!["?limit"]),
        ("/webhooks?limit=101", vec!["?limit"]),
        ("/webhooks?limit=-1", vec!["?limit"]),
        ("/webhooks?limit=", vec!["?limit"]),
        ("/webhooks?limit=1.5", vec!["?limit"]),
        ("/webhooks?limit=99999999999999999999", vec!["?limit"]),
        ("/webhooks?limit=1&limit=1", vec!["?limit"]),
        ("/webhooks?enabled=yes", vec!["?enabled"]),
        ("/webhooks?event=a%20b", vec!["?event"]),
        ("/webhooks?event=command.*", vec!["?event"]),
        ("/webhooks?project=", vec!["?project"]),
        ("/webhooks?project=%FF", vec!["?project"]),
        ("/webhooks?project=a%00", vec!["?project"]),
        ("/webhooks?cursor=x", vec!["?cursor"]),
        ("/webhooks?cursor=", vec!["?cursor"]),
        ("/webhooks?Limit=1", vec!["?Limit"]),
        ("/webhooks?status=failed", vec!["?status"]),
        ("/webhooks?=", vec!["?"]),
        ("/webhooks?limti=1&a=1&limit=0&enabled=1", vec!["?a", "?enabled", "?limit", "?limti"]),
        ("/events?since=yesterday&until=2025-01-15", vec!["?since", "?until"]),
        ("/events?since=2025-01-15T10:30:00+01:00", vec!["?since"]),
        ("/events?enabled=true", vec!["?enabled"]),
        (
            "/deliveries?status=broken&event=evt_1&webhook=evt_01h455vb4pex5vsknk084sn02q",
            vec!["?event", "?status", "?webhook"],
        ),
        ("/deliveries?event=a%20b", vec!["?event"]),
        ("/webhooks/{whk}/deliveries?webhook=whk_01h455vb4pex5vsknk084sn02q", vec!["?webhook"]),
        ("/deliveries/dlv_01h455vb4pex5vsknk084sn02q/attempts?status=1", vec!["?status"]),
    ] {
        table.push(invalid("GET", path, "", &places));
    }
    check(table).await;
}
