//! [`ApiKeyRepository`].

use std::sync::Arc;

use async_trait::async_trait;
use rdev_access::ports::ApiKeyRepository;
use rdev_access::{ApiKey, ApiKeyHash};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Access, ApiKeyId, Page, PageRequest, Timestamp};
use sqlx::SqliteConnection;

use crate::error::{self, DbError, Row};
use crate::rows::{micros, set};
use crate::{SqliteStore, json};

#[async_trait]
impl ApiKeyRepository for SqliteStore {
    async fn create(&self, key: &ApiKey, hash: &ApiKeyHash) -> Result<(), StoreError> {
        let (key, hash) = (key.clone(), hash.as_bytes().to_vec());
        self.write(move |conn, _| Box::pin(async move { create(conn, &key, hash).await })).await
    }

    async fn find(&self, hash: &ApiKeyHash) -> Result<Option<ApiKey>, StoreError> {
        Ok(find(&mut *self.reader().await?, hash.as_bytes()).await?)
    }

    async fn get(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        Ok(get(&mut *self.reader().await?, bytes(id)).await?)
    }

    async fn list(&self, page: PageRequest<ApiKeyId>) -> Result<Page<ApiKey>, StoreError> {
        Ok(list(&mut *self.listings.begin().await?, page).await?)
    }

    async fn delete(&self, id: ApiKeyId) -> Result<bool, StoreError> {
        self.write(move |conn, _| Box::pin(async move { delete(conn, bytes(id)).await })).await
    }

    async fn touch(&self, id: ApiKeyId, used_at: Timestamp) -> Result<(), StoreError> {
        self.write(move |conn, _| Box::pin(async move { touch(conn, bytes(id), micros(used_at)).await }))
            .await
    }
}

/// A query for [`ApiKeyRow`]s under the given conditions.
macro_rules! api_key_rows {
    ($conditions:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            ApiKeyRow,
            "SELECT id, hint, name, scopes, projects, created_at, expires_at, last_used_at "
                + "FROM webhooks_api_keys "
                + $conditions
            $(, $argument)*
        )
    };
}

async fn create(conn: &mut SqliteConnection, key: &ApiKey, hash: Vec<u8>) -> Result<(), DbError> {
    let scopes: Vec<_> = key.access.scopes.iter().map(|scope| scope.as_str()).collect();
    let scopes = json::rows(&scopes)?;
    let projects = key.access.projects.as_ref().map(json::projects).transpose()?;
    let (id, created_at) = (bytes(key.id), micros(key.created_at));
    let (expires_at, last_used_at) = (key.expires_at.map(micros), key.last_used_at.map(micros));
    sqlx::query!(
        "INSERT INTO webhooks_api_keys (id, hash, hint, name, scopes, projects, created_at, expires_at,
           last_used_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING",
        id,
        hash,
        key.hint,
        key.name,
        scopes,
        projects,
        created_at,
        expires_at,
        last_used_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn find(conn: &mut SqliteConnection, hash: &[u8]) -> Result<Option<ApiKey>, DbError> {
    let row = api_key_rows!("WHERE hash = ?1", hash).fetch_optional(conn).await?;
    Ok(row.map(ApiKeyRow::key).transpose()?)
}

async fn get(conn: &mut SqliteConnection, id: Vec<u8>) -> Result<Option<ApiKey>, DbError> {
    let row = api_key_rows!("WHERE id = ?1", id).fetch_optional(conn).await?;
    Ok(row.map(ApiKeyRow::key).transpose()?)
}

async fn list(conn: &mut SqliteConnection, page: PageRequest<ApiKeyId>) -> Result<Page<ApiKey>, DbError> {
    let (before, limit) = (page.before.map(bytes), i64::from(page.limit) + 1);
    let rows = api_key_rows!("WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT +?2", before, limit)
        .fetch_all(conn)
        .await?;
    let id = |row: &ApiKeyRow| error::id_text(&row.id, ApiKeyId::from_uuid);
    Ok(Page::read(rows, page.limit, id, ApiKeyRow::key)?)
}

async fn delete(conn: &mut SqliteConnection, id: Vec<u8>) -> Result<bool, DbError> {
    let deleted = sqlx::query!("DELETE FROM webhooks_api_keys WHERE id = ?1", id).execute(conn).await?;
    Ok(deleted.rows_affected() > 0)
}

async fn touch(conn: &mut SqliteConnection, id: Vec<u8>, used_at: i64) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE webhooks_api_keys SET last_used_at = ?2
         WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)",
        id,
        used_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn bytes(id: ApiKeyId) -> Vec<u8> {
    id.as_uuid().as_bytes().to_vec()
}

/// The row of an API key, without its hash.
struct ApiKeyRow {
    id: Vec<u8>,
    hint: String,
    name: Option<String>,
    scopes: String,
    projects: Option<String>,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
}

impl ApiKeyRow {
    fn key(self) -> Result<ApiKey, StoreError> {
        let id = error::uuid("api_keys", "id", &self.id).map(ApiKeyId::from_uuid)?;
        let row = Row { table: "api_keys", id: &id };
        let projects = self.projects.map(|projects| set(&row, "projects", &projects));
        Ok(ApiKey {
            id,
            name: self.name,
            hint: self.hint,
            access: Arc::new(Access {
                scopes: set(&row, "scopes", &self.scopes)?,
                projects: projects.transpose()?,
            }),
            created_at: Timestamp::from_micros(self.created_at),
            expires_at: self.expires_at.map(Timestamp::from_micros),
            last_used_at: self.last_used_at.map(Timestamp::from_micros),
        })
    }
}
