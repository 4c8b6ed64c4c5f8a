//! Credentials.

use http::Method;
use rdev_client::{Call, Error, Operation, Page, PageRequest, Query, Reply};
use serde::Serialize;

use crate::{Client, Credential, CredentialUse};

const LIST: Operation = Operation { id: "listCredentials", method: Method::GET, path: "/credentials" };
const GET: Operation = Operation { id: "getCredential", method: Method::GET, path: "/credentials/{name}" };
const PUT: Operation = Operation { id: "putCredential", method: Method::PUT, path: "/credentials/{name}" };
const DELETE: Operation =
    Operation { id: "deleteCredential", method: Method::DELETE, path: "/credentials/{name}" };
const USES: Operation =
    Operation { id: "listCredentialUses", method: Method::GET, path: "/credentials/{name}/uses" };
#[cfg(test)]
pub(crate) const ALL: &[&Operation] = &[&LIST, &GET, &PUT, &DELETE, &USES];

/// A credential to store. `None` leaves a setting as it is, and `Some(None)` resets it to its default.
#[derive(Clone, Default, Serialize)]
pub struct NewCredential {
    /// The way in which a run gets the value: `env`, `file` or `git`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The projects that may use it; by default all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projects: Option<Option<Vec<String>>>,
    /// When the value ends, as RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Option<String>>,
    /// How long a value that is replaced is kept for the runs that have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap_seconds: Option<u32>,
}

impl std::fmt::Debug for NewCredential {
    /// Does not show the value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewCredential")
            .field("kind", &self.kind)
            .field("projects", &self.projects)
            .field("expires_at", &self.expires_at)
            .field("overlap_seconds", &self.overlap_seconds)
            .finish_non_exhaustive()
    }
}

/// Which credentials to list; all by default.
#[derive(Debug, Clone, Default)]
pub struct CredentialFilter {
    /// Only those that this project may use.
    pub project: Option<String>,
}

impl CredentialFilter {
    pub(crate) fn query(&self) -> Query {
        let mut query = Query::default();
        query.add("project", self.project.as_ref());
        query
    }
}

impl Client {
    /// Lists credentials in the order of their names.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_credentials(
        &self,
        filter: &CredentialFilter,
        page: &PageRequest,
    ) -> Result<Reply<Page<Credential>>, Error> {
        self.0.list(&LIST, &[], filter.query(), page).await
    }

    /// Returns a credential, without its value.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn get_credential(&self, name: &str) -> Result<Reply<Credential>, Error> {
        self.0.plain(&GET, &[name]).await
    }

    /// Creates or updates a credential by a [`NewCredential`], or by any other body.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn put_credential(
        &self,
        name: &str,
        credential: &impl Serialize,
    ) -> Result<Reply<Credential>, Error> {
        self.0.send(Call::new(&PUT, &[name])?.json(credential)?).await
    }

    /// Deletes a credential with its values.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn delete_credential(&self, name: &str) -> Result<(), Error> {
        self.0.send_delete(Call::new(&DELETE, &[name])?).await
    }

    /// Lists the uses of a credential, those by the newest commands first.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_credential_uses(
        &self,
        name: &str,
        page: &PageRequest,
    ) -> Result<Reply<Page<CredentialUse>>, Error> {
        self.0.list(&USES, &[name], Query::default(), page).await
    }
}
