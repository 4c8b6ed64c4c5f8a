//! Ids in paths.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use rdev_core::IdError;

use crate::Problem;

/// The id in a path. An id that is malformed or of another type is 404: no resource has it.
pub struct PathId<T>(pub T);

/// Two ids in a path, the second below the first.
pub struct PathIds<T, U>(pub T, pub U);

impl<S, T> FromRequestParts<S> for PathId<T>
where
    S: Send + Sync,
    T: FromStr<Err = IdError>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| not_utf8())?;
        parse(&text).map(Self)
    }
}

impl<S, T, U> FromRequestParts<S> for PathIds<T, U>
where
    S: Send + Sync,
    T: FromStr<Err = IdError>,
    U: FromStr<Err = IdError>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((first, second)) = path.map_err(|_| not_utf8())?;
        Ok(Self(parse(&first)?, parse(&second)?))
    }
}

fn not_utf8() -> Problem {
    Problem::not_found("The id in the path is not valid UTF-8.")
}

fn parse<T: FromStr<Err = IdError>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: IdError| Problem::not_found(format!("The id in the path {error}.")))
}
