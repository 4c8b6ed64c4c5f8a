//! A server that answers as Woodpecker 3 is documented to, its traps included.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, patch, post};
use axum::{Json, Router};
use rdev_runner_woodpecker::Woodpecker;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.token";

#[derive(Default)]
pub(crate) struct World {
    /// The numbers of active repositories, by their names.
    pub(crate) active: BTreeMap<String, u64>,
    /// The secrets by their names: value and events.
    pub(crate) secrets: BTreeMap<String, (String, Vec<String>)>,
    /// What each look at a pipeline finds; the last is found from then on.
    pub(crate) looks: VecDeque<(u16, Value)>,
    /// What happens before a secret is created: another client may create it.
    pub(crate) creates_secret_first: bool,
    pub(crate) activates_first: bool,
    /// Whether the repository was active once.
    pub(crate) is_deactivated: bool,
    /// Every request: method and path with query.
    pub(crate) requests: Vec<String>,
    pub(crate) triggered: Option<Value>,
    /// The pipelines that a list has, the newest first.
    pub(crate) listed: Vec<Value>,
}

type Shared = Arc<Mutex<World>>;

pub(crate) struct Server {
    pub(crate) url: String,
    world: Shared,
    serving: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        let world = Shared::default();
        let router = Router::new()
            .route("/ci/api/repos/lookup/{owner}/{name}", get(lookup))
            .route("/ci/api/user/repos", get(user_repositories))
            .route("/ci/api/repos", post(activate))
            .route("/ci/api/repos/7/secrets", post(create_secret))
            .route("/ci/api/repos/7/secrets/{name}", get(secret).merge(patch(update_secret)))
            .route("/ci/api/repos/7/pipelines", post(trigger).get(list))
            .route("/ci/api/repos/7/pipelines/3", get(pipeline))
            // The web interface answers all other paths.
            .fallback(any(async || ([("content-type", "text/html")], "<!doctype html>")))
            .layer(axum::middleware::from_fn_with_state(Arc::clone(&world), admit))
            .with_state(Arc::clone(&world));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ci", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, world, serving }
    }

    pub(crate) fn client(&self) -> Woodpecker {
        Woodpecker::new(&self.url, TOKEN.into()).unwrap()
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

async fn admit(
    State(world): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    world.lock().unwrap().requests.push(format!("{method} {uri}"));
    if headers.get("authorization").is_none_or(|given| given != format!("Bearer {TOKEN}").as_str()) {
        return (StatusCode::UNAUTHORIZED, "User not authorized").into_response();
    }
    next.run(request).await
}

fn repository(name: &str, id: u64, active: bool) -> Response {
    let repository = json!({
        "id": id, "full_name": name, "active": active, "default_branch": "main", "forge_remote_id": "82",
        "trusted": { "network": false }, "visibility": "private"
    });
    Json(repository).into_response()
}

async fn lookup(State(world): State<Shared>, Path((owner, name)): Path<(String, String)>) -> Response {
    let name = format!("{owner}/{name}");
    let world = world.lock().unwrap();
    match world.active.get(&name) {
        Some(id) => repository(&name, *id, !world.is_deactivated),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn user_repositories(
    State(world): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if query.get("all").map(String::as_str) != Some("true") {
        return Json(json!([])).into_response();
    }
    let mut world = world.lock().unwrap();
    if world.activates_first {
        world.active.insert("acme/billing".to_owned(), 7);
    }
    let repositories = json!([
        { "forge_remote_id": "81", "full_name": "other/billing", "active": false },
        { "forge_remote_id": "82", "full_name": "acme/billing", "active": false },
    ]);
    Json(repositories).into_response()
}

async fn activate(State(world): State<Shared>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let mut world = world.lock().unwrap();
    match query.get("forge_remote_id").map(String::as_str) {
        None | Some("") => (StatusCode::BAD_REQUEST, "No forge_remote_id provided").into_response(),
        Some("82") if world.active.contains_key("acme/billing") => {
            (StatusCode::CONFLICT, "Repository is already active.").into_response()
        }
        Some("82") => {
            world.active.insert("acme/billing".to_owned(), 7);
            repository("acme/billing", 7, true)
        }
        Some(_) => (StatusCode::FORBIDDEN, "User has to be a admin of this repository").into_response(),
    }
}

async fn secret(State(world): State<Shared>, Path(name): Path<String>) -> Response {
    match world.lock().unwrap().secrets.get(&name) {
        Some((_, events)) => Json(json!({ "id": 1, "name": name, "events": events })).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn read_secret(body: &[u8]) -> Result<(String, String, Vec<String>), (StatusCode, String)> {
    let malformed = |error: serde_json::Error| (StatusCode::BAD_REQUEST, error.to_string());
    let body: Value = serde_json::from_slice(body).map_err(malformed)?;
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let events = body["events"].as_array().into_iter().flatten();
    let events: Vec<_> = events.map(|event| event.as_str().unwrap().to_owned()).collect();
    if text("name").is_empty() || text("value").is_empty() || events.is_empty() {
        let detail = format!("Error inserting secret. invalid: {body}");
        return Err((StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    Ok((text("name"), text("value"), events))
}

async fn create_secret(State(world): State<Shared>, body: Bytes) -> Response {
    let (name, value, events) = match read_secret(&body) {
        Ok(secret) => secret,
        Err(refusal) => return refusal.into_response(),
    };
    let mut world = world.lock().unwrap();
    if world.creates_secret_first {
        world.secrets.insert(name.clone(), ("another client's".to_owned(), vec!["push".to_owned()]));
    }
    if world.secrets.contains_key(&name) {
        let detail = format!("Error inserting secret \"{name}\". UNIQUE constraint failed, value {value}");
        return (StatusCode::INTERNAL_SERVER_ERROR, detail).into_response();
    }
    world.secrets.insert(name.clone(), (value, events.clone()));
    Json(json!({ "id": 1, "name": name, "events": events })).into_response()
}

async fn update_secret(State(world): State<Shared>, Path(name): Path<String>, body: Bytes) -> Response {
    let (_, value, events) = match read_secret(&body) {
        Ok(secret) => secret,
        Err(refusal) => return refusal.into_response(),
    };
    world.lock().unwrap().secrets.insert(name.clone(), (value, events.clone()));
    Json(json!({ "id": 1, "name": name, "events": events })).into_response()
}

async fn trigger(State(world): State<Shared>, Json(body): Json<Value>) -> Response {
    let mut world = world.lock().unwrap();
    world.triggered = Some(body.clone());
    if body["branch"] == "nothing-to-do" {
        return StatusCode::NO_CONTENT.into_response();
    }
    Json(json!({ "number": 3, "status": "pending", "commit": "eba09b4", "branch": body["branch"] }))
        .into_response()
}

async fn list(State(world): State<Shared>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let number = |name: &str| query[name].parse::<usize>().unwrap();
    let (page, size) = (number("page"), number("perPage"));
    let world = world.lock().unwrap();
    Json(world.listed.iter().skip((page - 1) * size).take(size).collect::<Vec<_>>()).into_response()
}

async fn pipeline(State(world): State<Shared>) -> Response {
    let mut world = world.lock().unwrap();
    let look = match world.looks.len() {
        0 => return StatusCode::NOT_FOUND.into_response(),
        1 => world.looks[0].clone(),
        _ => world.looks.pop_front().unwrap(),
    };
    (StatusCode::from_u16(look.0).unwrap(), Json(look.1)).into_response()
}
