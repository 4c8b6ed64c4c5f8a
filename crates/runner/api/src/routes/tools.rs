//! Lists of tools and of secrets in bodies.

use rdev_http::kind::List;
use rdev_runner_domain::{MAX_SECRETS, MAX_TOOL_RULES};

use crate::schema_types as types;

/// Some tools.
pub(super) type Tools = List<types::ToolRule, 0, MAX_TOOL_RULES>;

/// Names of some secrets.
pub(super) type Secrets = List<types::SecretName, 0, MAX_SECRETS>;

/// Returns the elements that could be read.
pub(super) fn elements<T, C: FromIterator<T>>(read: Vec<(usize, T)>) -> C {
    read.into_iter().map(|(_, element)| element).collect()
}
