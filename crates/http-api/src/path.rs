//! Ids in paths.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use rdev_webhooks_domain::IdError;

use crate::problem::Problem;

/// The id in a path. One that is malformed or of another type is 404: there is nothing by that name.
pub(crate) struct PathId<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for PathId<T>
where
    S: Send + Sync,
    T: FromStr<Err = IdError>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found("The id in the path is not UTF-8."))?;
        match text.parse() {
            Ok(id) => Ok(Self(id)),
            Err(error) => Err(Problem::not_found(error.to_string())),
        }
    }
}
