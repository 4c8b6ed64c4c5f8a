//! Names of event types in paths.

use axum::extract::FromRequestParts;
use http::request::Parts;
use rdev_http::{Problem, path_parameters};
use rdev_webhooks_domain::EventType;

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
        let [text] = path_parameters(parts, state)
            .await
            .ok_or_else(|| Problem::not_found("The name in the path is not valid UTF-8."))?;
        Ok(Self(text.parse().map_err(|error| format!("`{text}` is not an event type: it {error}"))))
    }
}
