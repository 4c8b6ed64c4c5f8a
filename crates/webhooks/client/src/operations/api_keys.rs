//! API keys.

use http::Method;
use serde::Serialize;

use rdev_client::{Call, Error, Operation, Page, PageRequest, Query, Reply};

use crate::{ApiKey, Client};

const LIST: Operation = Operation { id: "listApiKeys", method: Method::GET, path: "/api-keys" };
const CREATE: Operation = Operation { id: "createApiKey", method: Method::POST, path: "/api-keys" };
const GET: Operation = Operation { id: "getApiKey", method: Method::GET, path: "/api-keys/{id}" };
const DELETE: Operation = Operation { id: "deleteApiKey", method: Method::DELETE, path: "/api-keys/{id}" };
#[cfg(test)]
pub(crate) const ALL: &[&Operation] = &[&LIST, &CREATE, &GET, &DELETE];

/// An API key to create.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ApiKeyRequest {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The scopes.
    pub scopes: Vec<String>,
    /// The projects to which it is restricted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projects: Option<Vec<String>>,
    /// When it expires, by RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

impl Client {
    /// Lists the API keys.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_api_keys(&self, page: &PageRequest) -> Result<Reply<Page<ApiKey>>, Error> {
        self.0.list(&LIST, &[], Query::default(), page).await
    }

    /// Creates an API key. The response is the only one with the key itself.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn create_api_key(&self, key: &ApiKeyRequest) -> Result<Reply<ApiKey>, Error> {
        self.0.send(Call::new(&CREATE, &[])?.json(key)?).await
    }

    /// Returns an API key, without the key itself.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn get_api_key(&self, id: &str) -> Result<Reply<ApiKey>, Error> {
        self.0.plain(&GET, &[id]).await
    }

    /// Deletes an API key.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn delete_api_key(&self, id: &str) -> Result<(), Error> {
        self.0.send_delete(Call::new(&DELETE, &[id])?).await
    }
}
