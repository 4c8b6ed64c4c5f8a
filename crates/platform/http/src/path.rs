//! Ids in paths.

use std::fmt::Write;
use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
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
        let [text] = path_parameters(parts, state).await.ok_or_else(not_utf8)?;
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
        let [first, second] = path_parameters(parts, state).await.ok_or_else(not_utf8)?;
        Ok(Self(parse(&first)?, parse(&second)?))
    }
}

/// Returns the last `N` parameters of the path: those of the route. The path below which the router is nested may
/// have others. Returns `None` if one is not valid UTF-8.
pub async fn path_parameters<const N: usize, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Option<[String; N]> {
    let all = RawPathParams::from_request_parts(parts, state).await.ok()?;
    let all: Vec<_> = all.iter().map(|(_, text)| text.to_owned()).collect();
    all.last_chunk().cloned()
}

/// Returns a text as one segment of a path.
#[must_use]
pub fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => segment.push(byte.into()),
            // Writing to a String cannot fail.
            _ => drop(write!(segment, "%{byte:02X}")),
        }
    }
    segment
}

fn not_utf8() -> Problem {
    Problem::not_found("The id in the path is not valid UTF-8.")
}

fn parse<T: FromStr<Err = IdError>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: IdError| Problem::not_found(format!("The id in the path {error}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment() {
        assert_eq!(segment("my-project_1.~"), "my-project_1.~");
        assert_eq!(segment("a/b c?é"), "a%2Fb%20c%3F%C3%A9");
    }
}
