//! [`ApiKeyRepository`] on Postgres.
//!
//! A look-up of a key uses a writing connection: authentication of a request to publish must not wait behind
//! listings.

use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rdev_access::ports::ApiKeyRepository;
use rdev_access::{ApiKey, ApiKeyHash};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Access, ApiKeyId, Page, PageRequest, Timestamp};
use uuid::Uuid;

use crate::convert::{from_sql_time, texts, to_sql_time};
use crate::error::corrupt;
use crate::store::PostgresStore;

/// A query for [`ApiKeyRow`]s under the given conditions.
macro_rules! api_key_rows {
    ($conditions:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            ApiKeyRow,
            "SELECT id, hint, name, scopes, projects, created_at, expires_at, last_used_at "
                + "FROM rdev_webhooks.api_keys "
                + $conditions
            $(, $argument)*
        )
    };
}

#[async_trait]
impl ApiKeyRepository for PostgresStore {
    async fn create(&self, key: &ApiKey, hash: &ApiKeyHash) -> Result<(), StoreError> {
        let scopes = texts(&key.access.scopes);
        let projects = key.access.projects.as_ref().map(texts);
        self.inner
            .write()
            .run(async |conn| {
                sqlx::query!(
                    "INSERT INTO rdev_webhooks.api_keys (id, hash, hint, name, scopes, projects, created_at,
                         expires_at, last_used_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING",
                    key.id.as_uuid(),
                    hash.as_bytes(),
                    key.hint,
                    key.name,
                    &scopes,
                    projects.as_deref(),
                    to_sql_time(key.created_at),
                    key.expires_at.map(to_sql_time),
                    key.last_used_at.map(to_sql_time),
                )
                .execute(&mut **conn)
                .await
            })
            .await?;
        Ok(())
    }

    async fn find(&self, hash: &ApiKeyHash) -> Result<Option<ApiKey>, StoreError> {
        let row = self
            .inner
            .write()
            .run(async |conn| {
                api_key_rows!("WHERE hash = $1", hash.as_bytes()).fetch_optional(&mut **conn).await
            })
            .await?;
        row.map(ApiKeyRow::key).transpose()
    }

    async fn get(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let row = self
            .inner
            .browse()
            .run(async |conn| api_key_rows!("WHERE id = $1", id.as_uuid()).fetch_optional(&mut **conn).await)
            .await?;
        row.map(ApiKeyRow::key).transpose()
    }

    async fn list(&self, page: PageRequest<ApiKeyId>) -> Result<Page<ApiKey>, StoreError> {
        let rows = self
            .inner
            .listings()
            .run(async |conn| {
                api_key_rows!(
                    "WHERE $1::uuid IS NULL OR id < $1
                     ORDER BY id DESC LIMIT $2",
                    page.before.map(|before| before.as_uuid()),
                    i64::from(page.limit) + 1,
                )
                .fetch_all(&mut **conn)
                .await
            })
            .await?;
        let id = |row: &ApiKeyRow| ApiKeyId::from_uuid(row.id).to_string();
        Page::read(rows, page.limit, id, ApiKeyRow::key)
    }

    async fn delete(&self, id: ApiKeyId) -> Result<bool, StoreError> {
        let deleted = self
            .inner
            .write()
            .run(async |conn| {
                sqlx::query!("DELETE FROM rdev_webhooks.api_keys WHERE id = $1", id.as_uuid())
                    .execute(&mut **conn)
                    .await
            })
            .await?;
        Ok(deleted.rows_affected() > 0)
    }

    async fn touch(&self, id: ApiKeyId, used_at: Timestamp) -> Result<(), StoreError> {
        self.inner
            .write()
            .run(async |conn| {
                sqlx::query!(
                    "UPDATE rdev_webhooks.api_keys SET last_used_at = $2
                     WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
                    id.as_uuid(),
                    to_sql_time(used_at)
                )
                .execute(&mut **conn)
                .await
            })
            .await?;
        Ok(())
    }
}

/// The columns of an [`ApiKey`].
struct ApiKeyRow {
    id: Uuid,
    hint: String,
    name: Option<String>,
    scopes: Vec<String>,
    projects: Option<Vec<String>>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
}

impl ApiKeyRow {
    fn key(self) -> Result<ApiKey, StoreError> {
        let id = ApiKeyId::from_uuid(self.id);
        let projects = self.projects.as_deref().map(|projects| parse(id, "projects", projects));
        Ok(ApiKey {
            id,
            name: self.name,
            hint: self.hint,
            access: Arc::new(Access {
                scopes: parse(id, "scopes", &self.scopes)?,
                projects: projects.transpose()?,
            }),
            created_at: from_sql_time(self.created_at),
            expires_at: self.expires_at.map(from_sql_time),
            last_used_at: self.last_used_at.map(from_sql_time),
        })
    }
}

fn parse<T, C>(id: ApiKeyId, column: &'static str, texts: &[String]) -> Result<C, StoreError>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    C: FromIterator<T>,
{
    let unreadable = |error: T::Err| corrupt("api_keys", column, id, error);
    texts.iter().map(|text| text.parse().map_err(unreadable)).collect()
}
