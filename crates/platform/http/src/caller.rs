//! The caller of a request and its rights.

use std::sync::Arc;

use axum::Extension;
use axum::extract::FromRequestParts;
use http::request::Parts;
use rdev_core::{Access, ApiKeyId};

use crate::limits::Limits;
use crate::{Holder, Problem};

/// The caller of a route, which authentication inserts into the request.
#[derive(Clone)]
pub struct Caller {
    /// The API key; `None` for the administrator key, and without a key.
    pub key: Option<ApiKeyId>,
    /// The holder whose shares the caller's requests use.
    pub(crate) holder: Holder,
    /// The scopes of the key and the projects that it may see.
    pub access: Arc<Access>,
    /// The limits that all callers share.
    pub limits: Arc<Limits>,
}

impl Caller {
    /// Returns the holder whose shares the caller's requests use.
    pub(crate) fn holder(&self) -> Holder {
        self.holder
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller: Result<Extension<Self>, _> = Extension::from_request_parts(parts, state).await;
        // Only a route without a gate has no caller.
        caller.map(|Extension(caller)| caller).map_err(|_| Problem::internal())
    }
}

/// Returns the path that the client requested, wherever the router is nested.
pub(crate) fn requested_path(extensions: &http::Extensions) -> Option<String> {
    let axum::extract::OriginalUri(uri) = extensions.get()?;
    Some(uri.path().to_owned())
}
