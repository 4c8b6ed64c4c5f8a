//! A response, with checks of what every response promises.

use axum::http::{HeaderMap, StatusCode};
use rdev_http::ProblemCode;
use rdev_runner_api::codes;
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

    /// Returns a member of the body as text.
    pub(crate) fn member(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }

    /// Returns the places of a problem's faults, sorted: `/a/pointer`, `?parameter` or `#header`.
    pub(crate) fn places(&self) -> Vec<String> {
        let problem = self.json();
        let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no problem: {problem}"));
        let place = |error: &Value| {
            let text = |name: &str| error[name].as_str().map(str::to_owned);
            let parameter = || text("parameter").map(|name| format!("?{name}"));
            text("pointer").or_else(parameter).or_else(|| text("header").map(|name| format!("#{name}")))
        };
        let mut places: Vec<_> = errors.iter().map(|error| place(error).unwrap()).collect();
        places.sort();
        places
    }

    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// Expects a problem of this kind.
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.member("code"), code);
        answer
    }

    /// Checks what every response promises.
    pub(crate) fn check(&self) {
        assert_eq!(self.header("cache-control"), "no-store", "{self:?}");
        assert!(!self.header("x-request-id").is_empty(), "{self:?}");
        if !self.status.is_client_error() && !self.status.is_server_error() {
            return;
        }
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let code = self.member("code");
        let known = codes::ALL.iter().chain(ProblemCode::GENERAL).find(|known| known.as_str() == code);
        assert_eq!(known.map(|known| known.status()), Some(self.status), "{code}");
    }
}
