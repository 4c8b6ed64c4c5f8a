//! Ids in paths.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use rdev_webhooks_domain::{EventType, IdError};

use rdev_http::Problem;

/// The id in a path. An id that is malformed or of another type is 404: no resource has it.
pub(crate) struct PathId<T>(pub(crate) T);

/// Two ids in a path, the second below the first.
pub(crate) struct PathIds<T, U>(pub(crate) T, pub(crate) U);

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

/// The name of an event type in a path, or the reason why the text is not one.
pub(crate) struct PathName(pub(crate) Result<EventType, String>);

impl PathName {
    /// Returns the name of an existing event type. Fails with 404 if the text is not a name.
    pub(crate) fn of_something(self) -> Result<EventType, Problem> {
        self.0.map_err(|detail| Problem::not_found(format!("{detail}.")))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found("The name in the path is not valid UTF-8."))?;
        Ok(Self(text.parse().map_err(|error| format!("`{text}` is not an event type: it {error}"))))
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
