//! Repositories.

use http::{Method, StatusCode};
use serde::Deserialize;

use crate::client::{Quoting, encoded};
use crate::{Error, Woodpecker};

/// A repository that Woodpecker knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Repository {
    /// Its number in Woodpecker.
    pub id: u64,
    /// Its id in the forge.
    #[serde(default, rename = "forge_remote_id")]
    pub forge_id: String,
    /// Its owner and name: `acme/billing`.
    pub full_name: String,
    /// Whether pipelines run for it.
    #[serde(default)]
    pub active: bool,
    /// The branch on which pipelines run if none is named.
    #[serde(default)]
    pub default_branch: String,
}

/// A repository of the forge, which Woodpecker may not know yet.
#[derive(Deserialize)]
struct ForgeRepository {
    full_name: String,
    forge_remote_id: String,
}

impl Woodpecker {
    /// Returns the repository of that owner and name; `None` if Woodpecker does not know it.
    ///
    /// # Errors
    ///
    /// Fails as [`Error`] says.
    pub async fn repository(&self, full_name: &str) -> Result<Option<Repository>, Error> {
        // The owner and the name are segments of the path.
        let segments: Vec<_> = full_name.split('/').map(encoded).collect();
        self.find(&format!("/api/repos/lookup/{}", segments.join("/")), Quoting::Beginning).await
    }

    /// Activates a repository, so that Woodpecker runs pipelines for it. An active one stays as it is.
    ///
    /// # Errors
    ///
    /// Fails if the forge does not show the repository to the owner of the token, or lets it administer it.
    pub async fn activate(&self, full_name: &str) -> Result<Repository, Error> {
        if let Some(found) = self.repository(full_name).await?.filter(|found| found.active) {
            return Ok(found);
        }
        let path = format!("/api/user/repos?all=true&name={}", encoded(name_of(full_name)));
        let all: Vec<ForgeRepository> = self.call(Method::GET, &path, None, Quoting::Beginning).await?;
        let repository =
            all.into_iter().find(|repository| repository.full_name.eq_ignore_ascii_case(full_name));
        let repository = repository.ok_or_else(|| Error::NoRepository(full_name.to_owned()))?;
        let path = format!("/api/repos?forge_remote_id={}", encoded(&repository.forge_remote_id));
        match self.call(Method::POST, &path, None, Quoting::Beginning).await {
            // Another client was faster.
            Err(error) if error.status() == Some(StatusCode::CONFLICT) => {
                self.repository(full_name).await?.ok_or(error)
            }
            activated => activated,
        }
    }
}

fn name_of(full_name: &str) -> &str {
    full_name.rsplit('/').next().unwrap_or(full_name)
}
