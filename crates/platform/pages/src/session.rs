//! Who is signed in.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::HeaderValue;
use http::request::Parts;
use rdev_access::ApiKeyHash;
use rdev_core::Timestamp;
use rdev_http::{Caller, Problem, StatusCode};

use crate::cookie::{CookieScope, SealedCookie};
use crate::site::Site;

/// How long a session lasts.
const VALID_FOR: Duration = Duration::from_secs(12 * 60 * 60);
const COOKIE: SealedCookie = SealedCookie { prefix: "rdev_session", max_age: 12 * 60 * 60 };

/// The length of the hash in the cookie; the time at which the session began follows.
const HASH_LEN: usize = 32;

/// Who is signed in.
#[derive(Clone)]
pub struct Session {
    /// The caller, as the API knows it.
    pub caller: Caller,
    /// The name of the key or of the host's user.
    pub name: Arc<str>,
    /// What the session's cookies are bound to.
    pub(crate) binding: Arc<[u8]>,
    /// When the session ends; `None` if the host decides.
    pub(crate) ends_at: Option<Timestamp>,
}

impl Site {
    /// Returns who has sent a request; `None` without a valid session.
    pub(crate) async fn session(&self, parts: &Parts) -> Result<Option<Session>, Problem> {
        if let Some(admitted) = self.gate.admit_by_hook(parts).await {
            let (caller, name) = admitted?;
            let binding = caller.key.map(|key| key.to_string()).unwrap_or_default().into_bytes().into();
            return Ok(Some(Session { caller, name, binding, ends_at: None }));
        }
        match self.read_cookie(&parts.headers) {
            Some((hash, ends_at)) => self.session_of(hash, ends_at).await,
            None => Ok(None),
        }
    }

    /// Returns the session of the key with this hash; `None` if there is no such key.
    pub(crate) async fn session_of(
        &self,
        hash: [u8; HASH_LEN],
        ends_at: Timestamp,
    ) -> Result<Option<Session>, Problem> {
        let (caller, key) = match self.gate.admit_key(&ApiKeyHash::from_bytes(hash)).await {
            Ok(admitted) => admitted,
            Err(refusal) if refusal.code().status() == StatusCode::UNAUTHORIZED => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let name = match &key {
            None => "administrator".into(),
            Some(key) => key.name.as_deref().unwrap_or(&key.hint).into(),
        };
        Ok(Some(Session { caller, name, binding: hash.into(), ends_at: Some(ends_at) }))
    }

    /// Returns the cookie of a new session of the key with this hash.
    pub(crate) fn session_cookie(&self, hash: &ApiKeyHash, scope: &CookieScope) -> Option<HeaderValue> {
        let began_at = self.ambient.now().as_micros().to_be_bytes();
        COOKIE.set(&self.keyring, &[&hash.as_bytes()[..], &began_at].concat(), b"", scope)
    }

    /// Returns the header that ends a session in its browser.
    pub(crate) fn ended_session_cookie(&self, scope: &CookieScope) -> Option<HeaderValue> {
        COOKIE.clear(&self.keyring, scope)
    }

    /// Returns when a new session ends.
    pub(crate) fn new_session_end(&self) -> Timestamp {
        self.ambient.now() + VALID_FOR
    }

    fn read_cookie(&self, headers: &HeaderMap) -> Option<([u8; HASH_LEN], Timestamp)> {
        let content = COOKIE.read(&self.keyring, headers, b"")?;
        let (hash, began_at) = content.split_at_checked(HASH_LEN)?;
        let began_at = Timestamp::from_micros(i64::from_be_bytes(began_at.try_into().ok()?));
        let (now, ends_at) = (self.ambient.now(), began_at + VALID_FOR);
        (now < ends_at).then_some((hash.try_into().ok()?, ends_at))
    }
}
