//! The headers of every response, and the refusal of requests that others have caused.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, StatusCode, Uri};
use rdev_http::{Problem, ProblemCode};

use crate::cookie::is_https;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
);

/// The headers of every response.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// Adds the headers to a response.
pub(crate) async fn secure(request: Request, next: Next) -> Response {
    let referrers = referrer_policy(request.uri(), request.headers());
    let mut response = next.run(request).await;
    for (name, value) in HEADERS.into_iter().chain([(REFERRER_POLICY, referrers)]) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Returns what the browser tells others of the page's address: nothing. With `no-referrer` a form has the origin
/// `null`, so the browser must say by `Sec-Fetch-Site` that the form is ours. Over plain HTTP to another host it does
/// not, and must send the origin, to this server alone.
fn referrer_policy(target: &Uri, headers: &HeaderMap) -> HeaderValue {
    let says_site = headers.contains_key(SEC_FETCH_SITE);
    let policy = match says_site || is_https(headers) || is_loopback(&host(target, headers)) {
        true => "no-referrer",
        false => "same-origin",
    };
    HeaderValue::from_static(policy)
}

/// The host names under which the pages are served.
#[derive(Debug, Clone, Default)]
pub struct Hosts(Option<Vec<String>>);

impl Hosts {
    /// Accepts every name: the server is reachable from elsewhere, so names are no secret.
    #[must_use]
    pub const fn any() -> Self {
        Self(None)
    }

    /// Accepts the names of this machine's loopback addresses, and `others`, under which a proxy on this machine serves
    /// the pages. A site whose name resolves to a loopback address cannot reach them through a browser.
    #[must_use]
    pub fn loopback_and(others: impl IntoIterator<Item = String>) -> Self {
        Self(Some(others.into_iter().map(|name| name.to_ascii_lowercase()).collect()))
    }

    fn accepts(&self, name: &str) -> bool {
        let Some(others) = &self.0 else { return true };
        is_loopback(name) || others.contains(&name.to_ascii_lowercase())
    }
}

/// Returns whether a host name is one of this machine's loopback addresses.
fn is_loopback(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || name.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Refuses a request under another host name.
pub(crate) async fn check_host(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    if hosts.accepts(&host(request.uri(), request.headers())) {
        return next.run(request).await;
    }
    let text = "This host name is not one of this server's. Open the console by localhost or 127.0.0.1, or name this \
                host by --console-host.\n";
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))];
    (StatusCode::MISDIRECTED_REQUEST, headers, text).into_response()
}

/// Returns the host that a request names, without its port.
fn host(target: &Uri, headers: &HeaderMap) -> String {
    let named = headers.get(HOST).and_then(|value| value.to_str().ok());
    let authority = named.and_then(|name| name.parse::<http::uri::Authority>().ok());
    let authority = authority.or_else(|| target.authority().cloned());
    authority.map(|authority| authority.host().to_owned()).unwrap_or_default()
}

/// Returns the response to a change that another site has caused.
pub(crate) fn cross_origin() -> Response {
    let detail = "The request came from another site. Open this page by its own address and repeat it there.";
    Problem::new(ProblemCode::FORBIDDEN, detail).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_server_accepts_its_own_names_alone() {
        let hosts = Hosts::loopback_and(["Hooks.Example".to_owned()]);
        for name in
            ["localhost", "LOCALHOST", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "hooks.example"]
        {
            assert!(hosts.accepts(name), "{name}");
        }
        for name in ["", "evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil.example"] {
            assert!(!hosts.accepts(name), "{name}");
            assert!(Hosts::any().accepts(name), "{name}");
        }
    }

    #[test]
    fn an_address_reaches_others_only_where_the_browser_needs_it() {
        for (host, header, policy) in [
            ("127.0.0.1:8080", "x-other", "no-referrer"),
            ("hooks.example", "x-forwarded-proto", "no-referrer"),
            ("hooks.example", "sec-fetch-site", "no-referrer"),
            ("hooks.example", "x-other", "same-origin"),
        ] {
            let headers = HeaderMap::from_iter([
                (HOST, HeaderValue::from_str(host).unwrap()),
                (HeaderName::from_static(header), HeaderValue::from_static("https")),
            ]);
            assert_eq!(referrer_policy(&"/x".parse().unwrap(), &headers), policy, "{host} {header}");
        }
    }

    #[test]
    fn the_host_is_that_of_the_header() {
        let headers = |host: &str| HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).unwrap())]);
        for (given, name) in
            [("127.0.0.1:8080", "127.0.0.1"), ("[::1]:80", "[::1]"), ("a.b", "a.b"), ("a b", "")]
        {
            assert_eq!(host(&"/x".parse().unwrap(), &headers(given)), name);
        }
    }
}
