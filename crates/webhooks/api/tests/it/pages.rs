//! Paging through lists.

use std::time::Duration;

use serde_json::Value;

use crate::scene::{EVENT, Scene, WEBHOOK};

/// Follows `Link` to the last page, and returns the ids of each page.
async fn walk(scene: &Scene, path: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let page = scene.get(&path).await.expect(200);
        let list = page.json();
        let ids = list["data"].as_array().unwrap().iter();
        pages.push(ids.map(|one| one["id"].as_str().unwrap().to_owned()).collect());
        let link = page.header("link").strip_prefix('<');
        let link = link.map(|link| link.strip_suffix(">; rel=\"next\"").unwrap().to_owned());
        assert_eq!(list["has_more"], link.is_some());
        match (&list["next_cursor"], &link) {
            (Value::Null, None) => {}
            (Value::String(cursor), Some(link)) => {
                assert!(link.ends_with(&format!("cursor={cursor}")), "{link}");
            }
            other => panic!("{other:?}"),
        }
        next = link;
    }
    pages
}

#[tokio::test]
async fn every_list_has_neither_gaps_nor_repetitions() {
    let scene = Scene::new();
    for _ in 0..7 {
        scene.post("/webhooks", WEBHOOK).await.expect(201);
    }
    for _ in 0..7 {
        scene.clock.advance(Duration::from_millis(1));
        scene.post("/events", EVENT).await.expect(202);
    }
    let webhook = walk(&scene, "/webhooks?limit=1").await[0][0].clone();
    for (path, total) in [
        ("/webhooks?limit=3".to_owned(), 7),
        ("/webhooks?enabled=true&limit=3&event=command.failed".to_owned(), 7),
        ("/events?limit=3&project=my-project".to_owned(), 7),
        ("/deliveries?limit=3&status=pending".to_owned(), 49),
        (format!("/webhooks/{webhook}/deliveries?limit=3&since=2025-01-15T10:30:00%2B00:00"), 7),
    ] {
        let pages = walk(&scene, &path).await;
        assert!(pages.iter().rev().skip(1).all(|page| page.len() == 3), "{path}: {pages:?}");
        let mut ids = pages.concat();
        assert!(ids.is_sorted_by(|a, b| a > b), "{path}: {ids:?}");
        ids.dedup();
        assert_eq!(ids.len(), total, "{path}");
    }
}

#[tokio::test]
async fn a_page_has_20_items_by_default() {
    let scene = Scene::new();
    for _ in 0..25 {
        scene.post("/events", EVENT).await.expect(202);
    }
    for (path, expected) in [("/events", 20), ("/events?limit=1", 1), ("/events?limit=100", 25)] {
        assert_eq!(walk(&scene, path).await[0].len(), expected, "{path}");
    }
}

#[tokio::test]
async fn a_cursor_is_valid_only_for_its_own_kind_of_list() {
    let scene = Scene::new();
    for _ in 0..2 {
        scene.post("/webhooks", WEBHOOK).await.expect(201);
        scene.post("/events", EVENT).await.expect(202);
    }
    let cursor = scene.get("/events?limit=1").await.json()["next_cursor"].as_str().unwrap().to_owned();
    scene.get(&format!("/events?cursor={cursor}")).await.expect(200);
    for path in ["/webhooks", "/deliveries"] {
        let refused = scene.get(&format!("{path}?cursor={cursor}")).await.expect(422);
        assert_eq!(refused.places(), ["?cursor"]);
        assert!(refused.detail().contains("another list"), "{}", refused.detail());
    }
}

#[tokio::test]
async fn a_nested_router_links_to_its_own_path() {
    let mut scene = Scene::new();
    scene.router = axum::Router::new().nest("/api/v1", scene.router);
    let made = scene.post("/api/v1/webhooks", WEBHOOK).await.expect(201);
    scene.get(made.header("location")).await.expect(200);
    scene.post("/api/v1/webhooks", WEBHOOK).await.expect(201);
    assert_eq!(walk(&scene, "/api/v1/webhooks?limit=1").await.len(), 2);
    scene.get("/api/v1/webhooks/nonsense").await.expect(404);
    scene.get("/api/v1/nonsense").await.expect(404);
    let described = scene.get("/api/v1/openapi.json").await.expect(200).json();
    assert_eq!(described["servers"][0]["url"], "/api/v1");

    // Below itself, and below a path with a parameter.
    let inner = axum::Router::new().nest("/hooks", scene.router);
    scene.router = axum::Router::new().nest("/shops/{shop}", inner);
    let base = "/shops/tea%20%26%20more/hooks/api/v1";
    let made = scene.post(&format!("{base}/webhooks"), WEBHOOK).await.expect(201);
    let webhook = made.header("location").to_owned();
    scene.get(&webhook).await.expect(200);
    scene.get(&format!("{webhook}/replays/rpl_01h455vb4pex5vsknk084sn02q")).await.expect(404);
    scene.json("PUT", &format!("{base}/event-types/order.created"), "{}").await.expect(201);
    let described = scene.get(&format!("{base}/openapi.json")).await.expect(200).json();
    assert_eq!(described["servers"][0]["url"], base);
    // The page's link is relative to the page.
    let page = scene.get(&format!("{base}/docs")).await.expect(200);
    assert!(page.text().contains(r#"<a href="openapi.json">"#));
}
