//! Providers.

use http::Method;
use rdev_client::{Error, Operation, Page, Reply};

use crate::{Client, Provider};

const LIST: Operation = Operation { id: "listProviders", method: Method::GET, path: "/providers" };
#[cfg(test)]
pub(crate) const ALL: &[&Operation] = &[&LIST];

impl Client {
    /// Lists the registered agents, the default first. There is one page.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_providers(&self) -> Result<Reply<Page<Provider>>, Error> {
        self.0.plain(&LIST, &[]).await
    }
}
