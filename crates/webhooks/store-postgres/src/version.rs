//! The server's version.

use rdev_webhooks_domain::ports::StoreError;

use crate::PostgresStore;

impl PostgresStore {
    /// Returns the server's version, as text for humans.
    ///
    /// # Errors
    ///
    /// Fails if the server does not respond.
    pub async fn server_version(&self) -> Result<String, StoreError> {
        self.inner
            .browse()
            .run(async |conn| {
                sqlx::query_scalar("SELECT current_setting('server_version')").fetch_one(&mut **conn).await
            })
            .await
    }
}
