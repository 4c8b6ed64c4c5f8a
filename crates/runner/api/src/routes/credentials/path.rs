//! Names of credentials in paths.

use axum::extract::FromRequestParts;
use http::request::Parts;
use rdev_http::{Problem, path_parameters};
use rdev_runner_domain::SecretName;

/// The name of a credential in a path. A text that is no name is 404: no credential has it.
pub(crate) struct PathCredential(pub(super) SecretName);

impl<S: Send + Sync> FromRequestParts<S> for PathCredential {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [text] = path_parameters(parts, state)
            .await
            .ok_or_else(|| Problem::not_found("The name in the path is not valid UTF-8."))?;
        let name = text.parse();
        name.map(Self).map_err(|error| Problem::not_found(format!("The name of a credential {error}.")))
    }
}
