//! Sort keys of lists whose items have no id.

use std::fmt::{self, Display};
use std::str::FromStr;

use rdev_core::ProjectName;
use rdev_runner_domain::SecretName;

/// The sort key of projects.
pub(crate) struct ProjectKey(pub ProjectName);

impl Display for ProjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "project={}", self.0)
    }
}

impl FromStr for ProjectKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let name = text.strip_prefix("project=").ok_or(())?;
        name.parse().map(Self).map_err(|_| ())
    }
}

/// The sort key of credentials.
pub(crate) struct CredentialKey(pub SecretName);

impl Display for CredentialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "credential={}", self.0)
    }
}

impl FromStr for CredentialKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let name = text.strip_prefix("credential=").ok_or(())?;
        name.parse().map(Self).map_err(|_| ())
    }
}

/// The sort key of a command's events.
pub(crate) struct EventKey(pub u64);

impl Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seq#{}", self.0)
    }
}

impl FromStr for EventKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = text.strip_prefix("seq#").ok_or(())?;
        number.parse().map(Self).map_err(|_| ())
    }
}
