//! The path under which the pages are mounted, and paths from there.

use axum::extract::OriginalUri;
use http::request::Parts;

/// The prefix that a proxy has removed from the path, by convention.
const X_FORWARDED_PREFIX: &str = "x-forwarded-prefix";

/// Returns the path of the mount as the browser sees it, without a slash at its end: what a proxy removed, and where
/// the host has nested the router.
pub(crate) fn base_path(parts: &Parts) -> String {
    let inner = parts.uri.path();
    let whole = parts.extensions.get::<OriginalUri>().map_or(inner, |OriginalUri(uri)| uri.path());
    let nested = whole.strip_suffix(inner).unwrap_or(whole).trim_end_matches('/');
    let removed = parts.headers.get(X_FORWARDED_PREFIX).and_then(|value| value.to_str().ok());
    let removed = removed.map(|prefix| prefix.trim_end_matches('/')).filter(|prefix| is_prefix(prefix));
    format!("{}{nested}", removed.unwrap_or_default())
}

/// Returns whether a text is a plain absolute path, which cannot be read as an address of another host.
fn is_prefix(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    text.starts_with('/') && !text.starts_with("//") && text.bytes().all(is_plain)
}

/// Returns the page of the mount that a form names, and the first one for any other text.
pub(crate) fn own_page(text: &str) -> &str {
    let is_path = text.starts_with('/') && !text.starts_with("//");
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_path && is_plain && !text.starts_with("/sign-") { text } else { "/" }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn base(inner: &str, whole: &str, prefix: &str) -> String {
        let request = Request::get(inner)
            .header(X_FORWARDED_PREFIX, prefix)
            .extension(OriginalUri(whole.parse().unwrap()));
        base_path(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn the_base_is_where_the_browser_finds_the_mount() {
        assert_eq!(base("/webhooks", "/console/webhooks", ""), "/console");
        assert_eq!(base("/", "/console", ""), "/console");
        assert_eq!(base("/", "/", ""), "");
        assert_eq!(base("/webhooks", "/console/webhooks", "/ops/"), "/ops/console");
        for other in ["//evil.example", "https://evil.example", "/a b", "\"", "ops"] {
            assert_eq!(base("/webhooks", "/webhooks", other), "", "{other}");
        }
    }

    #[test]
    fn the_next_page_is_one_of_the_mount() {
        for page in ["/", "/deliveries?status=failed&cursor=x", "/webhooks/whk_1"] {
            assert_eq!(own_page(page), page);
        }
        for other in
            ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "/sign-out", "x"]
        {
            assert_eq!(own_page(other), "/", "{other:?}");
        }
    }
}
