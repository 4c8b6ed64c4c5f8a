//! The URL of a webhook's endpoint.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use url::{Host, Url};

/// An absolute `http` or `https` URL with a host, without credentials and fragment, in the normal form of the
/// WHATWG URL standard (so `http://127.1` becomes `http://127.0.0.1/`).
///
/// [`DestinationPolicy`](crate::DestinationPolicy) decides whether its host may be reached.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl {
    url: Url,
    uri: Uri,
}

/// The reason why a text is not an endpoint URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointUrlError {
    /// The text is not an absolute URL.
    #[error("must be an absolute URL, like https://example.com/webhook")]
    Malformed,
    /// The scheme is neither http nor https.
    #[error("must begin with https:// or http://")]
    Scheme,
    /// The URL has `user:password@` before the host.
    #[error("must not contain credentials; send them in a custom header instead")]
    Credentials,
    /// The URL has a fragment (`#…`), which HTTP never sends.
    #[error("must not have a fragment (#…): it is never sent")]
    Fragment,
    /// The port is 0.
    #[error("must not name port 0")]
    Port,
    /// The URL is longer than 2,048 bytes.
    #[error("must be at most {MAX_LEN} bytes long")]
    TooLong,
}

const MAX_LEN: usize = 2_048;

impl EndpointUrl {
    /// Returns the URL in normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Returns the URL as the type of an HTTP client.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the host: a name or a literal address.
    #[must_use]
    pub fn host(&self) -> Host<&str> {
        // `FromStr` refuses a URL without a host, and nothing changes it afterwards.
        self.url.host().unwrap_or(Host::Domain(""))
    }

    /// Returns the port, explicit or implied by the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(0)
    }

    /// Returns whether the connection is encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl FromStr for EndpointUrl {
    type Err = EndpointUrlError;

    fn from_str(text: &str) -> Result<Self, EndpointUrlError> {
        if text.len() > MAX_LEN {
            return Err(EndpointUrlError::TooLong);
        }
        let url = Url::parse(text).map_err(|_| EndpointUrlError::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EndpointUrlError::Scheme);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(EndpointUrlError::Malformed);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointUrlError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(EndpointUrlError::Fragment);
        }
        if url.port() == Some(0) {
            return Err(EndpointUrlError::Port);
        }
        if url.as_str().len() > MAX_LEN {
            return Err(EndpointUrlError::TooLong);
        }
        let uri = url.as_str().parse().map_err(|_| EndpointUrlError::Malformed)?;
        Ok(Self { url, uri })
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A path or a query may contain a token of the receiver.
        write!(f, "{}://{}", self.url.scheme(), self.url.authority())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_urls_are_refused_with_a_reason() {
        use EndpointUrlError as E;
        for (text, error) in [
            ("", E::Malformed),
            ("example.com/webhook", E::Malformed),
            ("/webhook", E::Malformed),
            ("http://", E::Malformed),
            ("file:///etc/passwd", E::Scheme),
            ("gopher://127.0.0.1:6379/_", E::Scheme),
            ("unix:/var/run/docker.sock", E::Scheme),
            ("http://good@127.0.0.1/", E::Credentials),
            ("https://a:b@example.com/", E::Credentials),
            ("http://127.0.0.1#@example.com/", E::Fragment),
            ("http://example.com:0/", E::Port),
        ] {
            assert_eq!(text.parse::<EndpointUrl>(), Err(error), "{text}");
        }
        let long = format!("https://example.com/{}", "a".repeat(MAX_LEN));
        assert_eq!(long.parse::<EndpointUrl>(), Err(E::TooLong));
    }

    #[test]
    fn normal_form_unmasks_a_disguised_address() {
        for text in ["http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/"] {
            let url: EndpointUrl = text.parse().unwrap();
            assert_eq!(url.as_str(), "http://127.0.0.1/", "{text}");
        }
    }

    #[test]
    fn debug_hides_path_and_query() {
        let url: EndpointUrl = "https://example.com/hooks/s3cret?token=t0ken".parse().unwrap();
        assert_eq!(format!("{url:?}"), "https://example.com");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "(https?://)?.{0,60}") {
            if let Ok(url) = text.parse::<EndpointUrl>() {
                prop_assert!(url.port() > 0);
                prop_assert_eq!(url.as_str().parse::<EndpointUrl>().unwrap(), url);
            }
        }
    }
}
