//! Authentication.

use axum::body::Body;
use axum::http::Request;

use crate::scene::{KEY, Scene, WEBHOOK};

const GUARDED: [(&str, &str); 6] = [
    ("GET", "/webhooks"),
    ("POST", "/webhooks"),
    ("DELETE", "/webhooks/whk_01h455vb4pex5vsknk084sn02q"),
    ("POST", "/events"),
    ("GET", "/deliveries/nonsense"),
    ("PUT", "/events"),
];

async fn with(scene: &Scene, method: &str, path: &str, authorization: Option<&str>) -> crate::answer::Answer {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    scene.send(request.body(Body::from(WEBHOOK)).unwrap()).await
}

#[tokio::test]
async fn without_a_valid_key_nothing_is_shown_or_changed() {
    let scene = Scene::new();
    let before = scene.everything().await;
    for (method, path) in GUARDED {
        let none = with(&scene, method, path, None).await.expect(401);
        assert_eq!((none.code().as_str(), none.header("www-authenticate")), ("unauthenticated", "Bearer"));
        let wrong = with(&scene, method, path, Some(&format!("Bearer {KEY}x"))).await.expect(401);
        assert_eq!(wrong.code(), "unauthenticated");
        assert!(wrong.header("www-authenticate").starts_with("Bearer error="), "{wrong:?}");
        assert_ne!(none.detail(), wrong.detail());
    }
    assert_eq!(scene.everything().await, before);
}

#[tokio::test]
async fn only_a_bearer_key_is_accepted() {
    let scene = Scene::new();
    for value in [
        "",
        "Bearer",
        "Bearer ",
        KEY,
        "Basic cmRldjpyZGV2",
        "Bearer rdev_0123456789abcdefghijklmnopqrstuvwxy",
        &format!("Bearer {}", KEY.to_uppercase()),
        &format!("Bearer {KEY} {KEY}"),
        &format!("Token {KEY}"),
        &"B".repeat(5_000),
    ] {
        with(&scene, "GET", "/webhooks", Some(value)).await.expect(401);
    }
    let twice = Request::get("/webhooks")
        .header("authorization", format!("Bearer {KEY}"))
        .header("authorization", format!("Bearer {KEY}"));
    scene.send(twice.body(Body::empty()).unwrap()).await.expect(401);
}

#[tokio::test]
async fn the_scheme_is_case_insensitive() {
    let scene = Scene::new();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        with(&scene, "GET", "/webhooks", Some(&format!("{scheme} {KEY}"))).await.expect(200);
    }
    with(&scene, "GET", "/webhooks", Some(&format!("Bearer  {KEY} "))).await.expect(200);
}

#[tokio::test]
async fn an_unknown_path_is_404_without_a_key() {
    let scene = Scene::new();
    with(&scene, "GET", "/nothing", None).await.expect(404);
    with(&scene, "GET", "/healthz", None).await.expect(200);
    with(&scene, "POST", "/healthz", None).await.expect(405);
}
