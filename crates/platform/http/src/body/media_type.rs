//! The media types of request bodies.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method};

use crate::{Problem, ProblemCode};

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Refuses a body that is not declared as JSON in UTF-8 without an encoding.
pub(super) fn check(parts: &Parts) -> Result<(), Problem> {
    let accepted: &[&str] = if parts.method == Method::PATCH { &[MERGE_PATCH, JSON] } else { &[JSON] };
    let refuse = |detail: String| Err(Problem::new(ProblemCode::UNSUPPORTED_MEDIA_TYPE, detail));
    if !is_plain(&parts.headers) {
        return refuse("The body must not have a Content-Encoding.".to_owned());
    }
    let mut given = parts.headers.get_all(CONTENT_TYPE).iter();
    let media_type = match (given.next(), given.next()) {
        (Some(value), None) => value.to_str().unwrap_or_default(),
        _ => "",
    };
    if accepted.iter().any(|name| is_type(media_type, name)) {
        Ok(())
    } else {
        let accepted = accepted.join(" or ");
        refuse(format!("The Content-Type must be {accepted}, in UTF-8."))
    }
}

fn is_plain(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Returns whether a `Content-Type` is the type `name`, with no parameter but `charset=utf-8`.
fn is_type(content_type: &str, name: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    parts.next().is_some_and(|given| given.eq_ignore_ascii_case(name))
        && parts.all(|parameter| {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim_matches('"');
            parameter.is_empty()
                || key.eq_ignore_ascii_case("charset")
                    && (value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf_8_is_accepted() {
        for given in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json;",
        ] {
            assert!(is_type(given, JSON), "{given}");
        }
        for given in [
            "",
            "text/plain",
            "application/json2",
            "application/problem+json",
            "application/json; charset=latin1",
            "application/json; charset",
            "application/json; version=1",
            "application/json, text/plain",
        ] {
            assert!(!is_type(given, JSON), "{given}");
        }
    }
}
