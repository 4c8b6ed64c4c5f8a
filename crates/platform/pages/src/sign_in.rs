//! Signing in by an API key or by a link, and signing out.

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use http::header::SET_COOKIE;
use rdev_access::ApiKeyHash;
use rdev_http::{Problem, StatusCode};

use crate::base::own_page;
use crate::form::{Form, PageQuery};
use crate::view::View;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    view: &'a View,
    next: &'a str,
    fault: &'a str,
}

#[derive(Template)]
#[template(path = "sign_in_link.html")]
struct LinkPage<'a> {
    view: &'a View,
    token: &'a str,
    is_valid: bool,
}

/// Returns the routes, which need no session.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/sign-in", get(show).post(sign_in))
        .route("/sign-in/link", get(show_link).post(use_link))
        .route("/sign-out", post(sign_out))
}

async fn show(view: View, PageQuery(query): PageQuery) -> Result<Response, Problem> {
    by_key(&view)?;
    let next = own_page(query.text("next"));
    if view.session().is_some() {
        return Ok(view.redirect(next));
    }
    view.page("Sign in", &SignInPage { view: &view, next, fault: "" })
}

async fn sign_in(view: View, form: Form) -> Result<Response, Problem> {
    by_key(&view)?;
    let next = own_page(form.text("next"));
    let key = form.text("key").trim();
    let hash = ApiKeyHash::of(key.as_bytes());
    if key.is_empty() || !begins(&view, &hash).await? {
        let fault = match key {
            "" => "Enter an API key.",
            _ => {
                "No such API key is valid. It may have expired or have been deleted, or a character is missing."
            }
        };
        let page = SignInPage { view: &view, next, fault };
        return view.page_with(StatusCode::UNAUTHORIZED, "Sign in", &page);
    }
    Ok(signed_in(&view, &hash, view.redirect(next)))
}

async fn show_link(view: View, PageQuery(query): PageQuery) -> Result<Response, Problem> {
    by_key(&view)?;
    let token = query.text("token");
    let link = view.site().link.as_ref();
    let is_valid = link.is_some_and(|link| link.is_valid(token, view.now()));
    view.page("Sign in", &LinkPage { view: &view, token, is_valid })
}

async fn use_link(view: View, form: Form) -> Result<Response, Problem> {
    by_key(&view)?;
    let token = form.text("token");
    let link = view.site().link.as_ref();
    let administrator = view.site().gate.administrator();
    match administrator.filter(|_| link.is_some_and(|link| link.take(token, view.now()))) {
        Some(hash) => Ok(signed_in(&view, &hash, view.redirect("/"))),
        None => {
            let page = LinkPage { view: &view, token: "", is_valid: false };
            view.page_with(StatusCode::UNAUTHORIZED, "Sign in", &page)
        }
    }
}

async fn sign_out(view: View) -> Result<Response, Problem> {
    by_key(&view)?;
    let mut response = view.redirect("/sign-in");
    if let Some(cookie) = view.site().ended_session_cookie(&view.cookie_scope()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Fails where the host decides who is signed in.
fn by_key(view: &View) -> Result<(), Problem> {
    match view.site().gate.takes_keys() {
        true => Ok(()),
        false => Err(Problem::not_found("There is no such page.")),
    }
}

/// Returns whether the key with this hash may begin a session.
async fn begins(view: &View, hash: &ApiKeyHash) -> Result<bool, Problem> {
    let site = view.site();
    let session = site.session_of(*hash.as_bytes(), site.new_session_end()).await?;
    if let Some(session) = &session {
        tracing::info!(session = &*session.name, "signed in to the console");
    }
    Ok(session.is_some())
}

fn signed_in(view: &View, hash: &ApiKeyHash, mut response: Response) -> Response {
    if let Some(cookie) = view.site().session_cookie(hash, &view.cookie_scope()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
