//! Names in paths.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use rdev_core::ProjectName;
use rdev_http::{Problem, path_parameters};
use rdev_runner_domain::TemplateName;

/// A name in a path. A text that is no name is 404: nothing has it.
pub(crate) struct PathName<T>(pub(crate) T);

/// What has names in paths.
pub(crate) trait Named: FromStr<Err: Display> {
    /// What the name is one of.
    const NOUN: &'static str;
}

impl Named for ProjectName {
    const NOUN: &'static str = "project";
}

impl Named for TemplateName {
    const NOUN: &'static str = "template";
}

impl<S: Send + Sync, T: Named> FromRequestParts<S> for PathName<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [text] = path_parameters(parts, state)
            .await
            .ok_or_else(|| Problem::not_found("The name in the path is not valid UTF-8."))?;
        let name = text.parse();
        name.map(Self).map_err(|error| Problem::not_found(format!("The name of a {} {error}.", T::NOUN)))
    }
}
