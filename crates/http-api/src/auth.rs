//! Who may use the API: whoever has the bootstrap key.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use rdev_webhooks_domain::Access;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::body::linger;
use crate::caller::Caller;
use crate::problem::{Problem, ProblemCode};

/// The key as its SHA-256, so that comparing takes the same time whatever is sent, of any length.
pub(crate) struct ApiKey {
    digest: [u8; 32],
    access: Arc<Access>,
}

impl ApiKey {
    pub(crate) fn new(key: &SecretString) -> Self {
        Self { digest: digest(key.expose_secret().as_bytes()), access: Arc::new(Access::administrator()) }
    }

    fn check(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let key = bearer(headers)?;
        if bool::from(digest(key).ct_eq(&self.digest)) {
            Ok(Caller { key: None, access: Arc::clone(&self.access) })
        } else {
            Err(refusal("The API key is not valid.", INVALID))
        }
    }
}

const MISSING: HeaderValue = HeaderValue::from_static("Bearer");
const INVALID: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");

/// Lets a request pass that brings the key, before anything of its body is read.
pub(crate) async fn require_key(
    State(key): State<Arc<ApiKey>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    match key.check(request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            Ok(next.run(request).await)
        }
        Err(refusal) => {
            linger(request);
            Err(refusal)
        }
    }
}

fn bearer(headers: &HeaderMap) -> Result<&[u8], Problem> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let value = match (sent.next(), sent.next()) {
        (None, _) => {
            let detail = "There is no API key: send it as `Authorization: Bearer <key>`.";
            return Err(refusal(detail, MISSING));
        }
        (Some(value), None) => value.as_bytes(),
        (Some(_), Some(_)) => {
            return Err(refusal("There is more than one Authorization header.", MISSING));
        }
    };
    let (scheme, key) = value.split_at_checked(7).unwrap_or((value, &[]));
    if scheme.eq_ignore_ascii_case(b"bearer ") {
        Ok(key.trim_ascii())
    } else {
        let detail = "The Authorization header must be `Bearer <key>`.";
        Err(refusal(detail, MISSING))
    }
}

fn refusal(detail: &'static str, challenge: HeaderValue) -> Problem {
    Problem::new(ProblemCode::Unauthenticated, detail).with_header(WWW_AUTHENTICATE, challenge)
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
