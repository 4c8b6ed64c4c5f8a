//! Authorization by a function of the embedder.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::request::Parts;
use futures_util::StreamExt;
use rdev_webhooks_domain::{Access, Scope, scopes};
use rdev_webhooks_http_api::{ApiOptions, Authorized, Refusal};
use serde_json::json;
use tower::ServiceExt;

use crate::answer::Answer;
use crate::scene::{EVENT, Scene, WEBHOOK, request};

/// Admits the users of a shop by the header `x-user`, `name` or `name@project`.
async fn authorize(request: Parts) -> Result<Authorized, Refusal> {
    let user = request.headers.get("x-user").ok_or_else(|| Refusal::unauthenticated("Sign in first."))?;
    let (name, project) = match user.to_str().unwrap().split_once('@') {
        Some((name, project)) => (name, Some(project)),
        None => (user.to_str().unwrap(), None),
    };
    let access = match name {
        "ada" => Access::administrator(),
        "reader" => Access::new([scopes::WEBHOOKS_READ]),
        "blocked" => return Err(Refusal::forbidden("The account is blocked.")),
        "later" => return Err(Refusal::unavailable("The accounts cannot be read at present.")),
        "panic" => panic!("a panic with s3cret particulars"),
        "slow" => std::future::pending().await,
        _ => Access::new([scopes::WEBHOOKS_WRITE, scopes::EVENTS_WRITE]),
    };
    let access =
        project.into_iter().fold(access, |access, project| access.with_projects([project.parse().unwrap()]));
    Ok(Authorized::new(name, access))
}

fn scene() -> Scene {
    Scene::with_options(ApiOptions::authorized_by(authorize))
}

async fn send(scene: &Scene, user: &str, method: &str, path: &str, body: &str) -> Answer {
    let headers = [("x-user", user), ("content-type", "application/json"), ("authorization", "")];
    scene.send(request(method, path, &headers, body.to_owned())).await
}

#[tokio::test]
async fn a_refusal_is_a_problem_and_changes_nothing() {
    let scene = scene();
    let before = scene.everything().await;
    for (user, status, code, detail) in [
        ("blocked", 403, "forbidden", "The account is blocked."),
        ("later", 503, "unavailable", "The accounts cannot be read at present."),
        (
            "reader",
            403,
            "forbidden",
            "The caller lacks the scope webhooks:write, which this request requires.",
        ),
        ("panic", 500, "internal_error", "The service's log has the cause."),
        ("ada@shop-1", 500, "internal_error", "The service's log has the cause."),
    ] {
        let answer = send(&scene, user, "POST", "/webhooks", WEBHOOK).await.expect(status);
        assert_eq!((answer.code().as_str(), answer.detail().as_str()), (code, detail), "{user}");
    }
    // An API key is nothing here.
    let unknown = scene.post("/webhooks", WEBHOOK).await.expect(401);
    assert_eq!((unknown.code().as_str(), unknown.detail().as_str()), ("unauthenticated", "Sign in first."));
    assert_eq!(
        (unknown.json()["title"].clone(), unknown.header("www-authenticate")),
        (json!("Unauthenticated"), "Bearer")
    );
    assert_eq!(scene.everything().await, before);
    // What needs no right needs no caller either.
    for (path, status) in [("/healthz", 200), ("/openapi.json", 200), ("/nothing", 404)] {
        scene.get(path).await.expect(status);
    }
}

#[tokio::test(start_paused = true)]
async fn an_authorization_that_takes_too_long_is_given_up() {
    let scene = scene();
    let answer = send(&scene, "slow", "POST", "/webhooks", WEBHOOK).await.expect(503);
    assert_eq!(answer.code(), "deadline_exceeded");
    assert!(answer.detail().contains("Nothing was carried out"), "{answer:?}");
}

#[tokio::test]
async fn projects_restrict_a_caller_as_an_api_key() {
    let scene = scene();
    let own = json!({"url": "https://mine.example/", "events": ["*"], "projects": ["shop-1"]}).to_string();
    let made = send(&scene, "bob@shop-1", "POST", "/webhooks", &own).await.expect(201).json();
    let path = format!("/webhooks/{}", made["id"].as_str().unwrap());
    send(&scene, "bob@shop-1", "GET", &path, "").await.expect(200);
    send(&scene, "carol@shop-2", "GET", &path, "").await.expect(404);
    send(&scene, "ada", "GET", &path, "").await.expect(200);
    let other = json!({"url": "https://mine.example/", "events": ["*"], "projects": ["shop-2"]}).to_string();
    let refused = send(&scene, "bob@shop-1", "POST", "/webhooks", &other).await;
    assert_eq!(refused.status.as_u16() / 100, 4, "{refused:?}");
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_a_caller() {
    let scene = scene();
    let post = async |user: &str, event: &str| {
        let headers = [
            ("x-user", user),
            ("content-type", "application/json"),
            ("idempotency-key", "order-7"),
            ("authorization", ""),
        ];
        scene.send(request("POST", "/events", &headers, event.to_owned())).await
    };
    let first = post("bob", EVENT).await.expect(202);
    let again = post("bob", EVENT).await.expect(202);
    assert_eq!((again.json(), again.header("idempotent-replayed")), (first.json(), "true"));
    let reused = post("bob", r#"{"event":"command.failed","data":{}}"#).await.expect(422);
    assert_eq!(reused.code(), "idempotency_key_reused");
    let other = post("carol", EVENT).await.expect(202);
    assert_eq!(other.header("idempotent-replayed"), "");
    assert_ne!(other.json()["id"], first.json()["id"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_once_its_caller_is_refused() {
    let admits = Arc::new(AtomicBool::new(true));
    let hook = Arc::clone(&admits);
    let scene = Scene::with_options(ApiOptions::authorized_by(move |_| {
        let admits = hook.load(Ordering::Relaxed);
        async move {
            let refusal = Refusal::unauthenticated("The session has expired.");
            if admits { Ok(Authorized::new("bob", Access::new([Scope::ADMIN]))) } else { Err(refusal) }
        }
    }));
    let response = scene.router.clone().oneshot(request("GET", "/events/stream", &[], "")).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body().into_data_stream();
    assert_eq!(body.next().await.unwrap().unwrap(), "retry: 1000\n\n");
    let kept = tokio::time::timeout(Duration::from_secs(60), body.next()).await.unwrap();
    assert!(kept.unwrap().unwrap().starts_with(b": keep-alive"));
    admits.store(false, Ordering::Relaxed);
    assert!(tokio::time::timeout(Duration::from_secs(6), body.next()).await.unwrap().is_none());
}

#[tokio::test]
async fn the_hook_sees_what_an_outer_layer_adds() {
    #[derive(Clone)]
    struct Session(&'static str);
    let scene = Scene::with_options(ApiOptions::authorized_by(async |request| {
        let Session(user) =
            request.extensions.get().ok_or_else(|| Refusal::unauthenticated("No session."))?;
        Ok(Authorized::new(user, Access::administrator()))
    }));
    let app = Router::new()
        .nest("/shops/{shop}", scene.router.clone())
        // axum nests no router with a fallback where the path begins with a parameter.
        .nest_service("/{shop}/hooks", scene.router)
        .layer(axum::Extension(Session("ada")));
    for base in ["/shops/a", "/a/hooks"] {
        let get = Request::get(format!("{base}/webhooks")).body(Body::empty()).unwrap();
        assert_eq!(app.clone().oneshot(get).await.unwrap().status(), 200, "{base}");
    }
}

#[tokio::test]
async fn a_short_administrator_key_is_not_admitted() {
    let scene = Scene::with_options(ApiOptions::new("short".into()));
    for key in ["short", ""] {
        let authorization = format!("Bearer {key}");
        let headers = [("authorization", authorization.as_str())];
        scene.send(request("GET", "/webhooks", &headers, "")).await.expect(401);
    }
}
