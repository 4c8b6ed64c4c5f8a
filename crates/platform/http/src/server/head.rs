//! Checks of a request's head that the parser does not make.

use axum::body::Body;
use http::header::{CONNECTION, HOST, HeaderValue};
use http::uri::Authority;
use http::{HeaderMap, Request, Response, StatusCode, Version};

/// Refuses a head that is too large, or that does not name its host as RFC 9112 (section 3.2) requires.
pub(super) fn check<B>(request: &Request<B>, max_bytes: usize) -> Result<(), StatusCode> {
    if length(request) > max_bytes {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    if names_host(request.version(), request.headers()) { Ok(()) } else { Err(StatusCode::BAD_REQUEST) }
}

/// Returns the size of the head in bytes, without optional syntax around its parts.
fn length<B>(request: &Request<B>) -> usize {
    let target = request.uri();
    let path = target.path_and_query().map_or(1, |path| path.as_str().len());
    let origin = match (target.scheme_str(), target.authority()) {
        (Some(scheme), Some(authority)) => scheme.len() + "://".len() + authority.as_str().len(),
        _ => 0,
    };
    let line = request.method().as_str().len() + origin + path + "  HTTP/1.1\r\n".len();
    let headers = request.headers().iter();
    let fields: usize = headers.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum();
    line + fields + "\r\n".len()
}

fn names_host(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => version < Version::HTTP_11,
        (Some(_), Some(_)) => false,
        (Some(host), None) => is_host(host),
    }
}

/// Returns whether a value is a host, with or without a port; it may be empty.
fn is_host(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    bytes.is_empty() || (!bytes.contains(&b'@') && Authority::try_from(bytes).is_ok())
}

/// Returns the response to a refused head: it has no body and closes the connection.
pub(super) fn refusal(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(version: Version, hosts: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_static(host));
        }
        names_host(version, &headers)
    }

    #[test]
    fn a_request_must_name_its_host_once() {
        for host in ["x", "example.com:8080", "[::1]:80", "127.0.0.1", ""] {
            assert!(hosts(Version::HTTP_11, &[host]), "{host}");
        }
        for host in ["a b", "user@example.com", "a/b", "[::1"] {
            assert!(!hosts(Version::HTTP_11, &[host]), "{host}");
        }
        assert!(!hosts(Version::HTTP_11, &[]) && !hosts(Version::HTTP_11, &["a", "a"]));
        assert!(hosts(Version::HTTP_10, &[]) && !hosts(Version::HTTP_10, &["a", "a"]));
    }

    #[test]
    fn head_length_is_the_number_of_bytes_sent() {
        let sent = "GET /a?b HTTP/1.1\r\nhost: x\r\naccept: */*\r\n\r\n";
        let request = Request::get("/a?b").header("host", "x").header("accept", "*/*").body(()).unwrap();
        assert_eq!(length(&request), sent.len());
        assert!(check(&request, sent.len()).is_ok());
        let refused = check(&request, sent.len() - 1).unwrap_err();
        assert_eq!(refused, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
}
