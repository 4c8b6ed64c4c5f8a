//! The URL of an egress proxy.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// The address and credentials of an HTTP proxy: `http://host:port` or `http://user:password@host:port`, with
/// special characters in the credentials written as `%XX`. The default port is 80.
///
/// Neither `Debug` nor an error shows the credentials.
///
/// ```
/// use rdev_webhooks_dispatch_http::ProxyUrl;
///
/// let proxy: ProxyUrl = "http://rdev:s3cret@proxy.internal:3128".parse()?;
/// assert_eq!(format!("{proxy:?}"), "http://***@proxy.internal:3128");
/// # Ok::<(), rdev_webhooks_dispatch_http::ProxyUrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    host: Host,
    port: u16,
    authorization: Option<HeaderValue>,
}

/// The reason why a text is not the URL of an egress proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyUrlError {
    /// The text is not an absolute URL with a host.
    #[error("must be a URL like http://proxy.example.com:3128")]
    Malformed,
    /// The scheme is not http.
    #[error("must begin with http://: deliveries go through the proxy by HTTP CONNECT")]
    Scheme,
    /// The port is 0.
    #[error("must not name port 0")]
    Port,
    /// The URL has a path, a query or a fragment.
    #[error("must end after the port, without a path, query or fragment")]
    Path,
    /// The user name contains a colon, or one of the two contains a control character.
    #[error(
        "must have no colon in the user name, and no control characters in the user name or the password"
    )]
    Credentials,
}

impl ProxyUrl {
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the value of `proxy-authorization`.
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

impl FromStr for ProxyUrl {
    type Err = ProxyUrlError;

    fn from_str(text: &str) -> Result<Self, ProxyUrlError> {
        let url = Url::parse(text).map_err(|_| ProxyUrlError::Malformed)?;
        if url.scheme() != "http" {
            // `proxy:3128` is also a URL, with the scheme `proxy`.
            let scheme_given = text.contains("://");
            return Err(if scheme_given { ProxyUrlError::Scheme } else { ProxyUrlError::Malformed });
        }
        let host = url.host().ok_or(ProxyUrlError::Malformed)?.to_owned();
        let port = url.port_or_known_default().filter(|port| *port > 0).ok_or(ProxyUrlError::Port)?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(ProxyUrlError::Path);
        }
        Ok(Self { host, port, authorization: basic(&url)? })
    }
}

/// Returns `Basic` credentials (RFC 7617), if the URL has credentials.
fn basic(url: &Url) -> Result<Option<HeaderValue>, ProxyUrlError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let user: Vec<u8> = percent_decode_str(url.username()).collect();
    let password: Vec<u8> = percent_decode_str(url.password().unwrap_or_default()).collect();
    if user.contains(&b':') || user.iter().chain(&password).any(u8::is_ascii_control) {
        return Err(ProxyUrlError::Credentials);
    }
    let value = format!("Basic {}", STANDARD.encode([&user[..], b":", &password].concat()));
    let mut value = HeaderValue::try_from(value).map_err(|_| ProxyUrlError::Credentials)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = if self.authorization.is_some() { "***@" } else { "" };
        write!(f, "http://{credentials}{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn host_port_and_credentials_are_parsed() {
        for (text, shown, authorization) in [
            ("http://proxy.internal:3128", "http://proxy.internal:3128", None),
            ("http://proxy.internal/", "http://proxy.internal:80", None),
            ("http://[::1]:3128", "http://[::1]:3128", None),
            ("http://10.0.0.1:80", "http://10.0.0.1:80", None),
            // The example of RFC 7617, section 2.
            (
                "http://Aladdin:open%20sesame@proxy:1",
                "http://***@proxy:1",
                Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ),
            ("http://user@proxy:1", "http://***@proxy:1", Some("Basic dXNlcjo=")),
            ("http://:p%3Aw%40@proxy:1", "http://***@proxy:1", Some("Basic OnA6d0A=")),
        ] {
            let proxy: ProxyUrl = text.parse().unwrap();
            assert_eq!(format!("{proxy:?}"), shown);
            let value = proxy.authorization().map(|value| value.to_str().unwrap());
            assert_eq!(value, authorization, "{text}");
        }
    }

    #[test]
    fn other_urls_are_refused_with_a_reason() {
        use ProxyUrlError as E;
        for (text, error) in [
            ("", E::Malformed),
            ("proxy.internal:3128", E::Malformed),
            ("http://", E::Malformed),
            ("https://proxy:3128", E::Scheme),
            ("socks5://proxy:1080", E::Scheme),
            ("http://proxy:0", E::Port),
            ("http://proxy:3128/path", E::Path),
            ("http://proxy:3128/?a", E::Path),
            ("http://proxy:3128/#a", E::Path),
            ("http://a%3Ab:c@proxy:3128", E::Credentials),
            ("http://a:b%0D%0Ax@proxy:3128", E::Credentials),
        ] {
            assert_eq!(text.parse::<ProxyUrl>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn credentials_are_never_shown(user in "[a-z]{8}", password in "[A-Z]{8}") {
            let text = format!("http://{user}:{password}@proxy:3128");
            let proxy: ProxyUrl = text.parse().unwrap();
            let shown = format!("{proxy:?} {:?}", proxy.authorization());
            prop_assert!(!shown.contains(&user) && !shown.contains(&password));
            let encoded = STANDARD.encode(format!("{user}:{password}"));
            prop_assert!(!shown.contains(&encoded));
        }

        #[test]
        fn any_text_is_a_proxy_or_refused(text in "(http://)?.{0,40}") {
            if let Ok(proxy) = text.parse::<ProxyUrl>() {
                prop_assert!(proxy.port() > 0);
            }
        }
    }
}
