//! The layer around every page: it finds the session, and renders errors as pages.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::Method;
use rdev_http::{Problem, ProblemCode};
use url::form_urlencoded::byte_serialize;

use crate::site::Site;
use crate::view::View;

/// Gives a request its [`View`] and, with a session, its caller.
pub(crate) async fn frame(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let session = site.session(&parts).await;
    let (session, refusal) = match session {
        Ok(session) => (session, None),
        Err(problem) => (None, Some(problem)),
    };
    if let Some(session) = &session {
        parts.extensions.insert(session.caller.clone());
        parts.extensions.insert(Arc::clone(&site.gate));
    }
    let view = View::new(site, &parts, session);
    parts.extensions.insert(view.clone());
    let response = match refusal {
        Some(problem) => problem.into_response(),
        None => next.run(Request::from_parts(parts, body)).await,
    };
    view.finish(response)
}

/// Leads a reader without a session to the sign-in, and refuses its changes.
pub(crate) async fn require_session(view: View, request: Request, next: Next) -> Response {
    if view.session().is_some() {
        return next.run(request).await;
    }
    if view.is_part() || !matches!(*request.method(), Method::GET | Method::HEAD) {
        let detail = "The session has ended. Nothing was changed. Sign in, and repeat it.";
        return Problem::new(ProblemCode::UNAUTHENTICATED, detail).into_response();
    }
    let here = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let here: String = byte_serialize(here.as_bytes()).collect();
    Redirect::to(&view.url(&format!("/sign-in?next={here}"))).into_response()
}

/// Answers a path without a page.
pub(crate) async fn no_such_page() -> Problem {
    Problem::not_found("There is no such page.")
}
