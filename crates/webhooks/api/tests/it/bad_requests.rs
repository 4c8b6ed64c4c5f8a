//! One table of bad requests: each is refused with its status, code and places, and changes nothing. Each
//! resource has a file with its rows; another has the faults that concern every resource.

mod batches;
mod bodies;
mod event_types;
mod events;
mod paths;
mod queries;
mod replays;
mod webhooks;

use crate::scene::{Scene, request};

/// A request that must be refused.
struct Bad {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
    places: Vec<&'static str>,
}

/// Returns a request whose JSON body has faults at these places.
fn invalid(method: &'static str, path: &str, body: impl Into<Vec<u8>>, places: &[&'static str]) -> Bad {
    let refused = refused(method, path, 422, "validation_failed");
    Bad {
        headers: vec![("content-type", "application/json")],
        body: body.into(),
        places: places.to_vec(),
        ..refused
    }
}

/// Returns a refused request without a body.
fn refused(method: &'static str, path: &str, status: u16, code: &'static str) -> Bad {
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

fn table() -> Vec<Bad> {
    [
        paths::rows(),
        queries::rows(),
        bodies::not_json(),
        bodies::of_other_media_types(),
        bodies::too_long(),
        webhooks::members(),
        webhooks::many_faults(),
        events::rows(),
        batches::rows(),
        event_types::rows(),
        replays::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Sends each request to an API that has data to lose. `{whk}` in a path is an existing webhook.
#[tokio::test]
async fn every_bad_request_is_refused_and_changes_nothing() {
    let table = table();
    assert!(table.len() >= 100, "there are {} rows", table.len());
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
