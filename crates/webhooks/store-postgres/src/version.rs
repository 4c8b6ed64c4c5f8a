//! Which server this is.

use rdev_webhooks_domain::ports::StoreError;

use crate::PostgresStore;

impl PostgresStore {
    /// The server's version, for people.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn server_version(&self) -> Result<String, StoreError> {
        self.inner
            .browse()
            .run(async |conn| {
                sqlx::query_scalar("SELECT current_setting('server_version')").fetch_one(&mut **conn).await
            })
            .await
    }
}
