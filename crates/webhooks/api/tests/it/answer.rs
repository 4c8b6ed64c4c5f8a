//! A response, with checks of what every response promises.

use axum::http::{HeaderMap, StatusCode};
use rdev_webhooks_http_api::{ProblemCode, codes};
use serde_json::Value;

/// A complete response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Returns the text of a header; empty if it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Returns the member `code` of a problem.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap_or_default().to_owned()
    }

    /// Returns the places of a problem's faults, sorted: `/a/pointer`, `?parameter` or `#header`.
    pub(crate) fn places(&self) -> Vec<String> {
        let problem = self.json();
        let errors = problem["errors"].as_array().unwrap();
        let mut places: Vec<_> = errors.iter().map(place).collect();
        places.sort();
        places
    }

    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// Checks what every response to `method path` promises.
    pub(crate) fn check(&self, method: &str, path: &str) {
        let id = self.header("x-request-id");
        assert!((1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()), "{self:?}");
        assert_eq!(self.header("cache-control"), "no-store", "{self:?}");
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{self:?}");
        let is_error = self.status.is_client_error() || self.status.is_server_error();
        if is_error {
            assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        }
        if method == "HEAD" || matches!(self.status.as_u16(), 204 | 304) {
            assert!(self.body.is_empty(), "{self:?}");
        } else if is_error {
            self.check_problem(path);
        } else {
            match self.header("content-type") {
                "application/json" => assert!(self.json().is_object(), "{self:?}"),
                "text/html; charset=utf-8" => assert!(path.ends_with("/docs"), "{path}"),
                "text/plain; version=0.0.4; charset=utf-8" => assert_eq!(path, "/metrics"),
                other => panic!("{other}: {self:?}"),
            }
        }
    }

    fn check_problem(&self, path: &str) {
        let problem = self.json();
        let members: Vec<_> = problem.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = ["code", "detail", "errors", "instance", "request_id", "status", "title", "type"];
        assert_eq!(members, expected, "{problem}");
        let text = |name: &str| problem[name].as_str().unwrap().to_owned();
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(text("type"), format!("urn:rdev-webhooks:problem:{}", text("code")));
        assert_eq!(text("instance"), path.split('?').next().unwrap());
        // A repeated response is identical to the first, byte for byte.
        if self.header("idempotent-replayed").is_empty() {
            assert_eq!(text("request_id"), self.header("x-request-id"));
        }
        assert!(!text("title").is_empty() && !text("detail").is_empty(), "{problem}");
        let mut known = codes::ALL.iter().chain(ProblemCode::GENERAL);
        let known = known.find(|code| code.as_str() == text("code"));
        assert_eq!(known.unwrap().status(), self.status, "{problem}");
        for error in problem["errors"].as_array().unwrap() {
            assert_eq!(error.as_object().unwrap().len(), 2, "{problem}");
            assert!(!error["detail"].as_str().unwrap().is_empty(), "{problem}");
            place(error);
        }
        assert!(!self.status.is_server_error() || !text("detail").contains("panicked"), "{problem}");
        assert!(self.status != 405 || self.headers.contains_key("allow"), "{self:?}");
        assert_eq!(self.status == 401, self.headers.contains_key("www-authenticate"), "{self:?}");
        let waits = self.status == 503 || text("code") == "idempotency_key_in_use";
        assert_eq!(waits, self.headers.contains_key("retry-after"), "{self:?}");
    }
}

fn place(error: &Value) -> String {
    let text = |name: &str| error[name].as_str().map(str::to_owned);
    let pointer = text("pointer");
    assert!(pointer.as_ref().is_none_or(|at| at.is_empty() || at.starts_with('/')), "{error}");
    pointer
        .or_else(|| text("parameter").map(|name| format!("?{name}")))
        .or_else(|| text("header").map(|name| format!("#{name}")))
        .unwrap_or_else(|| panic!("a fault has no place: {error}"))
}
