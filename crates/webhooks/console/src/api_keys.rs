//! API keys, which administrators create and delete.

mod change;
mod list;

pub(crate) use change::{confirm, create, delete, new};
pub(crate) use list::list;

use std::sync::Arc;

use rdev_access::ApiKeyError;
use rdev_http::Problem;
use rdev_webhooks_domain::Scope;

/// The scopes of other domains that keys may have, each with what it permits.
#[derive(Clone)]
pub(crate) struct FurtherScopes(pub(crate) Arc<[(Scope, &'static str)]>);

fn failed(error: ApiKeyError) -> Problem {
    match error {
        ApiKeyError::NotFound => Problem::not_found("The API key does not exist, or was deleted."),
        ApiKeyError::Store(error) => error.into(),
        other => Problem::internal().caused_by(other),
    }
}
