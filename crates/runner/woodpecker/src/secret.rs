//! Secrets of repositories.

use std::collections::BTreeSet;

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::client::{Quoting, encoded};
use crate::{Error, Woodpecker};

/// The size of a secret's value.
const MAX_VALUE_BYTES: usize = 64 * 1024;

/// What starts a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A push.
    Push,
    /// A new or changed pull request.
    PullRequest,
    /// A closed pull request.
    PullRequestClosed,
    /// A pull request whose title or labels changed.
    PullRequestMetadata,
    /// A tag.
    Tag,
    /// A release.
    Release,
    /// A deployment.
    Deployment,
    /// A schedule.
    Cron,
    /// A person, or the API.
    Manual,
}

impl Event {
    /// Returns the name in pipelines and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::PullRequest => "pull_request",
            Self::PullRequestClosed => "pull_request_closed",
            Self::PullRequestMetadata => "pull_request_metadata",
            Self::Tag => "tag",
            Self::Release => "release",
            Self::Deployment => "deployment",
            Self::Cron => "cron",
            Self::Manual => "manual",
        }
    }
}

/// A secret of a repository.
#[derive(Debug, Clone)]
pub struct Secret {
    name: String,
    value: SecretString,
    events: BTreeSet<Event>,
}

/// What a set secret was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretChange {
    /// It is new.
    Created,
    /// It existed, and has the new value and the new events.
    Updated,
}

impl Secret {
    /// Returns a secret for pipelines that these events start.
    ///
    /// # Errors
    ///
    /// Fails if the name is not 1 to 128 letters, digits and underscores, if the value is empty or longer than 64 KiB, or
    /// if there is no event.
    pub fn new(
        name: &str,
        value: SecretString,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<Self, Error> {
        let is_name = (1..=128).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err(Error::Secret("must have a name of 1 to 128 ASCII letters, digits and underscores"));
        }
        if !(1..=MAX_VALUE_BYTES).contains(&value.expose_secret().len()) {
            return Err(Error::Secret("must have a value of 1 byte to 64 KiB"));
        }
        let events: BTreeSet<_> = events.into_iter().collect();
        if events.is_empty() {
            return Err(Error::Secret("must have at least one event"));
        }
        Ok(Self { name: name.to_owned(), value, events })
    }
}

impl Woodpecker {
    /// Sets a secret of a repository: creates it, or replaces its value and its events.
    ///
    /// # Errors
    ///
    /// Fails as [`Error`] says.
    pub async fn set_secret(&self, repository: u64, secret: &Secret) -> Result<SecretChange, Error> {
        let all = format!("/api/repos/{repository}/secrets");
        let one = format!("{all}/{}", encoded(&secret.name));
        let body = json!({
            "name": secret.name,
            "value": secret.value.expose_secret(),
            "events": secret.events.iter().map(|event| event.as_str()).collect::<Vec<_>>(),
        });
        if self.find::<Value>(&one, Quoting::Nothing).await?.is_none() {
            match self.call::<Value>(Method::POST, &all, Some(&body), Quoting::Nothing).await {
                Ok(_) => return Ok(SecretChange::Created),
                // Most likely another client has created it meanwhile, which is no conflict but a 500.
                Err(error) if error.status().is_some_and(|status| status.is_server_error()) => {
                    if self.find::<Value>(&one, Quoting::Nothing).await?.is_none() {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        self.call::<Value>(Method::PATCH, &one, Some(&body), Quoting::Nothing).await?;
        Ok(SecretChange::Updated)
    }
}
