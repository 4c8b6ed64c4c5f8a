//! Cookies: sealed by the keyring, and sent to the pages alone.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};
use rdev_keyring::Keyring;

/// The kind of a cookie. Its name ends with the id of the key that sealed it: servers on other ports of the same host
/// share a browser's cookies, and have other keys.
#[derive(Clone, Copy)]
pub(crate) struct SealedCookie {
    /// What the name begins with.
    pub(crate) prefix: &'static str,
    /// Seconds until the browser forgets it.
    pub(crate) max_age: u32,
}

impl SealedCookie {
    /// Returns the header that sets the cookie; `None` if the system has no randomness. `bound_to` must be the same at
    /// [`Self::read`].
    pub(crate) fn set(
        self,
        keyring: &Keyring,
        plaintext: &[u8],
        bound_to: &[u8],
        scope: &CookieScope,
    ) -> Option<HeaderValue> {
        let sealed = keyring.seal(plaintext, &self.associated(bound_to)).ok()?;
        let name = self.name(keyring);
        let value = BASE64_URL_SAFE_NO_PAD.encode(sealed);
        scope.header(&name, &value, self.max_age)
    }

    /// Returns the headers that delete every cookie of this kind that the browser has sent.
    pub(crate) fn clear(self, keyring: &Keyring, scope: &CookieScope) -> Option<HeaderValue> {
        scope.header(&self.name(keyring), "", 0)
    }

    /// Returns the content of the first cookie of this kind that opens.
    pub(crate) fn read(self, keyring: &Keyring, headers: &HeaderMap, bound_to: &[u8]) -> Option<Vec<u8>> {
        let values = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(name, _)| name.starts_with(self.prefix)).find_map(|(_, value)| {
            let sealed = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?;
            keyring.open(&sealed, &self.associated(bound_to)).ok().map(|plain| plain.to_vec())
        })
    }

    fn name(self, keyring: &Keyring) -> String {
        format!("{}_{}", self.prefix, keyring.primary_key_id())
    }

    fn associated(self, bound_to: &[u8]) -> Vec<u8> {
        [self.prefix.as_bytes(), b" ", bound_to].concat()
    }
}

/// Returns whether the browser came by HTTPS, at least to the proxy.
pub(crate) fn is_https(headers: &HeaderMap) -> bool {
    let forwarded = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    forwarded.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
}

/// Where a cookie is sent.
pub(crate) struct CookieScope {
    /// The path of the mount.
    pub(crate) path: String,
    /// Whether the browser came by HTTPS, at least to the proxy.
    pub(crate) is_secure: bool,
}

impl CookieScope {
    /// Returns the scope of a request under this base path.
    pub(crate) fn new(base: &str, headers: &HeaderMap) -> Self {
        let path = if base.is_empty() { "/".to_owned() } else { base.to_owned() };
        Self { path, is_secure: is_https(headers) }
    }

    fn header(&self, name: &str, value: &str, max_age: u32) -> Option<HeaderValue> {
        let secure = if self.is_secure { "; Secure" } else { "" };
        // Lax, so that a link in a chat opens the page it names; changes are guarded by the check of their origin.
        let text =
            format!("{name}={value}; Path={}; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}", self.path);
        HeaderValue::try_from(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use rdev_keyring::EncryptionKey;

    use super::*;

    const KIND: SealedCookie = SealedCookie { prefix: "rdev_test", max_age: 60 };

    fn keyring(number: u8) -> Keyring {
        Keyring::new(EncryptionKey::generate([number; 32]))
    }

    fn sent(set: &HeaderValue) -> HeaderMap {
        let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(format!("other=1; {pair}")).unwrap())])
    }

    #[test]
    fn a_cookie_opens_only_with_its_key_and_its_binding() {
        let scope = CookieScope::new("/console", &HeaderMap::new());
        let set = KIND.set(&keyring(1), b"content", b"session", &scope).unwrap();
        let text = set.to_str().unwrap();
        assert!(text.ends_with("; Path=/console; Max-Age=60; HttpOnly; SameSite=Lax"), "{text}");
        assert_eq!(KIND.read(&keyring(1), &sent(&set), b"session").as_deref(), Some(&b"content"[..]));
        assert_eq!(KIND.read(&keyring(1), &sent(&set), b"other"), None);
        assert_eq!(KIND.read(&keyring(2), &sent(&set), b"session"), None);
        let other = SealedCookie { prefix: "rdev_te", max_age: 60 };
        assert_eq!(other.read(&keyring(1), &sent(&set), b"session"), None);
    }

    #[test]
    fn a_cookie_over_https_is_secure() {
        let headers =
            HeaderMap::from_iter([("x-forwarded-proto".parse().unwrap(), HeaderValue::from_static("https"))]);
        let set = KIND.set(&keyring(1), b"", b"", &CookieScope::new("", &headers)).unwrap();
        assert!(set.to_str().unwrap().contains("; Path=/; ") && set.to_str().unwrap().ends_with("; Secure"));
    }
}
