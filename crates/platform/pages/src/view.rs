//! What a handler needs of a request, and the rendering of its page.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::{Html, IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{Extensions, HeaderMap, StatusCode};
use rdev_core::{Scope, Timestamp};
use rdev_http::auth::Admitted;
use rdev_http::{Problem, ProblemCode, Rendered};

use crate::assets::{SCRIPT, STYLE};
use crate::base::{base_path, own_page};
use crate::cookie::{CookieScope, SealedCookie};
use crate::session::Session;
use crate::site::{Section, Site};
use crate::time::Moment;
use crate::token;

/// The parameter with the token of a form that makes something.
pub(crate) const ONCE: &str = "once";

/// The header of a request of the script, which wants a part of the page.
const X_RDEV_PART: &str = "x-rdev-part";

const NOTICE: SealedCookie = SealedCookie { prefix: "rdev_notice", max_age: 120 };

/// What a change reports on the next page, once.
#[derive(Debug, Clone, Default)]
pub struct Notice {
    /// A sentence.
    pub text: String,
    /// A secret that is shown this once, with its label.
    pub secret: Option<(String, String)>,
}

impl Notice {
    /// Creates a notice of one sentence.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), secret: None }
    }

    /// Adds a secret with its label.
    #[must_use]
    pub fn with_secret(mut self, label: impl Into<String>, secret: impl Into<String>) -> Self {
        self.secret = Some((label.into(), secret.into()));
        self
    }

    fn to_bytes(&self) -> Vec<u8> {
        serde_json::json!([self.text, self.secret]).to_string().into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (text, secret) = serde_json::from_slice(bytes).ok()?;
        Some(Self { text, secret })
    }
}

/// The request of a page: who is signed in, the links, and the rendering. Cheap to clone.
#[derive(Clone)]
pub struct View(Arc<Inner>);

struct Inner {
    site: Arc<Site>,
    base: String,
    path: String,
    here: String,
    headers: HeaderMap,
    extensions: Extensions,
    session: Option<Session>,
    now: Timestamp,
}

/// The page around the content of a handler.
#[derive(Template)]
#[template(path = "layout.html")]
struct Layout<'a> {
    view: &'a View,
    title: &'a str,
    content: &'a str,
    sections: Vec<Link>,
    notice: Option<Notice>,
    style: &'a str,
    script: &'a str,
}

/// A link of the navigation.
struct Link {
    path: &'static str,
    label: &'static str,
    is_current: bool,
}

/// The content of the page of an error.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    title: &'a str,
    detail: &'a str,
    sign_in: Option<String>,
    home: String,
}

impl View {
    pub(crate) fn new(site: Arc<Site>, parts: &Parts, session: Option<Session>) -> Self {
        let (base, path) = (base_path(parts), parts.uri.path().to_owned());
        let here = parts.uri.path_and_query().map_or("/", |here| here.as_str()).to_owned();
        let (headers, now) = (parts.headers.clone(), site.ambient.now());
        // What the host's own middleware has put there, for its authorization.
        let extensions = parts.extensions.clone();
        Self(Arc::new(Inner { site, base, path, here, headers, extensions, session, now }))
    }

    /// Returns who is signed in.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.0.session.as_ref()
    }

    /// Returns whether the caller may do what requires this scope. What it may not do is not shown.
    #[must_use]
    pub fn allows(&self, scope: &Scope) -> bool {
        self.session().is_some_and(|session| session.caller.access.allows(scope))
    }

    /// Returns whether the navigation has a section with this path, and the caller may see it.
    #[must_use]
    pub fn shows(&self, section: &str) -> bool {
        self.visible().any(|known| known.path == section)
    }

    /// Leads to the first section that the caller has a scope for; without one, to the first that needs none.
    #[must_use]
    pub fn redirect_home(&self) -> Response {
        let first = self.visible().find(|section| section.scope.is_some()).or_else(|| self.visible().next());
        self.redirect(first.map_or("/sign-in", |section| section.path))
    }

    /// Returns the address of a path of the mount. The first page is the empty path or `/`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let url = format!("{}{}", self.0.base, if path == "/" { "" } else { path });
        if url.is_empty() { "/".to_owned() } else { url }
    }

    /// Returns the address of a form that makes something: sent twice with the same content, it makes one thing. Its
    /// handler passes [`OperationIds`](rdev_http::OperationIds) to the use case.
    #[must_use]
    pub fn once(&self, path: &str) -> String {
        format!("{}?{ONCE}={}", self.url(path), token::hex(&self.0.site.ambient.entropy.bytes::<16>()))
    }

    /// Returns the address of this page from the mount, with its query, to come back to it.
    #[must_use]
    pub fn here(&self) -> &str {
        &self.0.here
    }

    /// Leads back to a page of the mount, and to the first one for any other text.
    #[must_use]
    pub fn redirect_back(&self, here: &str, notice: &Notice) -> Response {
        self.redirect_with(own_page(here), notice)
    }

    /// Returns the time of the request.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.now
    }

    /// Returns a moment, to be shown relative to the time of the request.
    #[must_use]
    pub fn moment(&self, at: Timestamp) -> Moment {
        Moment { at, now: self.0.now }
    }

    /// Returns whether the script asks for a part of the page, and not the browser for the page.
    #[must_use]
    pub fn is_part(&self) -> bool {
        self.0.headers.contains_key(X_RDEV_PART)
    }

    /// Renders a page.
    ///
    /// # Errors
    ///
    /// 500 if the template fails, which only an error of formatting causes.
    pub fn page(&self, title: &str, content: &impl Template) -> Result<Response, Problem> {
        self.page_with(StatusCode::OK, title, content)
    }

    /// Renders a page with another status than 200.
    ///
    /// # Errors
    ///
    /// As [`Self::page`].
    pub fn page_with(
        &self,
        status: StatusCode,
        title: &str,
        content: &impl Template,
    ) -> Result<Response, Problem> {
        let content = self.part(content)?;
        let notice = (!self.is_part()).then(|| self.notice()).flatten();
        let seen = notice.is_some();
        let layout = Layout {
            view: self,
            title,
            content: &content,
            sections: self.sections(),
            notice,
            style: &STYLE.name,
            script: &SCRIPT.name,
        };
        let mut response = (status, Html(self.part(&layout)?)).into_response();
        if seen && let Some(cleared) = NOTICE.clear(&self.0.site.keyring, &self.cookie_scope()) {
            response.headers_mut().append(SET_COOKIE, cleared);
        }
        Ok(response)
    }

    /// Renders a template alone.
    ///
    /// # Errors
    ///
    /// As [`Self::page`].
    pub fn part(&self, content: &impl Template) -> Result<String, Problem> {
        content.render().map_err(|error| Problem::internal().caused_by(error))
    }

    /// Leads to another page after a change, so that a reload does not repeat it.
    #[must_use]
    pub fn redirect(&self, path: &str) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        if let Ok(location) = HeaderValue::try_from(self.url(path)) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }

    /// Leads to another page, which shows a notice once.
    #[must_use]
    pub fn redirect_with(&self, path: &str, notice: &Notice) -> Response {
        let mut response = self.redirect(path);
        let scope = self.cookie_scope();
        if let Some(cookie) = NOTICE.set(&self.0.site.keyring, &notice.to_bytes(), self.binding(), &scope) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }

    /// Renders the error of a response as a page.
    pub(crate) fn finish(&self, mut response: Response) -> Response {
        let Some(problem) = response.extensions().get::<Problem>() else { return response };
        let shown = match self.is_part() {
            true => (problem.code().status(), problem.detail().to_owned()).into_response(),
            false => match self.problem_page(problem) {
                Ok(page) => page,
                Err(_) => return response,
            },
        };
        let (mut parts, body) = shown.into_parts();
        parts.headers.extend(problem.headers().clone());
        parts.headers.extend(std::mem::take(response.headers_mut()));
        // The text of the error is that of its page.
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        parts.extensions = std::mem::take(response.extensions_mut());
        parts.extensions.insert(Rendered);
        Response::from_parts(parts, Body::new(body))
    }

    pub(crate) fn site(&self) -> &Site {
        &self.0.site
    }

    pub(crate) fn cookie_scope(&self) -> CookieScope {
        CookieScope::new(&self.0.base, &self.0.headers)
    }

    fn problem_page(&self, problem: &Problem) -> Result<Response, Problem> {
        let code = problem.code();
        let (title, detail) = match code {
            ProblemCode::UNAUTHENTICATED => ("Signed out", problem.detail()),
            ProblemCode::UNAVAILABLE if problem.cause().is_some() => (
                code.title(),
                "The database did not respond. What you did may have been carried out: look before you repeat it.",
            ),
            _ => (code.title(), problem.detail()),
        };
        let is_signed_out = code == ProblemCode::UNAUTHENTICATED && self.site().gate.takes_keys();
        let sign_in = is_signed_out.then(|| self.url("/sign-in"));
        self.page_with(code.status(), title, &ProblemPage { title, detail, sign_in, home: self.url("") })
    }

    fn sections(&self) -> Vec<Link> {
        let path = &self.0.path;
        let is_in = |section: &str| {
            path == section
                || (section != "/" && path.strip_prefix(section).is_some_and(|rest| rest.starts_with('/')))
        };
        let link = |section: &Section| Link {
            path: section.path,
            label: section.label,
            is_current: is_in(section.path),
        };
        self.visible().map(link).collect()
    }

    /// Returns the sections that the caller may see.
    fn visible(&self) -> impl Iterator<Item = &Section> {
        let may_see = |section: &&Section| section.scope.as_ref().is_none_or(|scope| self.allows(scope));
        self.0.site.sections.iter().filter(|_| self.session().is_some()).filter(may_see)
    }

    fn notice(&self) -> Option<Notice> {
        Notice::from_bytes(&NOTICE.read(&self.0.site.keyring, &self.0.headers, self.binding())?)
    }

    fn binding(&self) -> &[u8] {
        self.session().map_or(&[], |session| &session.binding)
    }

    /// Returns the scopes and the projects of the session, for people.
    fn rights(&self) -> String {
        let Some(session) = self.session() else { return String::new() };
        let access = &session.caller.access;
        let scopes: Vec<_> = access.scopes.iter().map(Scope::as_str).collect();
        let projects = access.projects.as_ref().map(|projects| {
            let names: Vec<_> = projects.iter().map(|project| project.as_str()).collect();
            format!("; projects: {}", names.join(", "))
        });
        format!("{}{}", scopes.join(", "), projects.unwrap_or_default())
    }

    fn can_sign_out(&self) -> bool {
        self.session().is_some_and(|session| session.ends_at.is_some())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for View {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Only a route outside the shell has no view.
        parts.extensions.get().cloned().ok_or_else(Problem::internal)
    }
}

/// A stream of a page lasts as long as its session.
impl Admitted for View {
    async fn holds(&self) -> bool {
        let Some(session) = self.session() else { return false };
        let Inner { site, headers, .. } = &*self.0;
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.headers = headers.clone();
        parts.extensions = self.0.extensions.clone();
        match site.session(&parts).await {
            Ok(now) => now.is_some_and(|now| now.caller.access == session.caller.access),
            Err(refusal) => {
                !matches!(refusal.code().status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            }
        }
    }
}
