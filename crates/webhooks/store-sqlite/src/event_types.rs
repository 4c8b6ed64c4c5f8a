//! [`EventTypeRepository`].

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{EventTypeRepository, Registered, RemovedType, StoreError};
use rdev_webhooks_domain::{EventType, RegisteredType, Timestamp};
use rdev_webhooks_store::damage;
use sqlx::SqliteConnection;

use crate::SqliteStore;
use crate::error::{DbError, Row};
use crate::rows::micros;

#[async_trait]
impl EventTypeRepository for SqliteStore {
    async fn put(&self, event_type: &RegisteredType) -> Result<Option<Timestamp>, StoreError> {
        let event_type = event_type.clone();
        let before = self.write(move |conn, _| Box::pin(async move { put(conn, &event_type).await })).await?;
        Ok(before.map(Timestamp::from_micros))
    }

    async fn remove(&self, name: &EventType) -> Result<RemovedType, StoreError> {
        let name = name.clone();
        self.write(move |conn, _| Box::pin(async move { remove(conn, name.as_str()).await })).await
    }

    async fn version(&self) -> Result<u64, StoreError> {
        Ok(version(&mut *self.reader().await?).await?)
    }

    async fn all(&self) -> Result<Registered, StoreError> {
        // One view for both queries.
        Ok(all(&mut *self.snapshot().await?).await?)
    }
}

/// Returns the registered event types on a connection of a caller, if their version is not `known`.
///
/// # Errors
///
/// The error of the database.
pub async fn read_event_types(
    conn: &mut SqliteConnection,
    known: Option<u64>,
) -> Result<Option<Registered>, StoreError> {
    // A transaction may see an older version than another has seen before.
    let version = version(conn).await?;
    if known.is_some_and(|known| version <= known) {
        return Ok(None);
    }
    Ok(Some(all(conn).await?))
}

async fn version(conn: &mut SqliteConnection) -> Result<u64, DbError> {
    let stored =
        sqlx::query_scalar!("SELECT version FROM webhooks_event_types_version").fetch_one(conn).await?;
    Ok(Row { table: "event_types_version", id: &stored }.number("version", stored)?)
}

async fn all(conn: &mut SqliteConnection) -> Result<Registered, DbError> {
    let version = version(&mut *conn).await?;
    let rows = sqlx::query!(
        "SELECT name, description, schema, examples, created_at, updated_at FROM webhooks_event_types ORDER BY name"
    )
    .fetch_all(conn)
    .await?;
    let types = rows.into_iter().map(|row| {
        Ok::<_, StoreError>(RegisteredType {
            name: Row { table: "event_types", id: &row.name }.parse("name", &row.name)?,
            description: row.description,
            schema: row.schema.map(Into::into),
            examples: row.examples.into(),
            created_at: Timestamp::from_micros(row.created_at),
            updated_at: Timestamp::from_micros(row.updated_at),
        })
    });
    Ok(Registered { version, types: types.filter_map(damage::leave_out).collect() })
}

async fn put(conn: &mut SqliteConnection, event_type: &RegisteredType) -> Result<Option<i64>, DbError> {
    let name = event_type.name.as_str();
    let before = sqlx::query_scalar!("SELECT created_at FROM webhooks_event_types WHERE name = ?1", name)
        .fetch_optional(&mut *conn)
        .await?;
    let (schema, examples) = (event_type.schema.as_deref(), &*event_type.examples);
    let (created_at, updated_at) = (micros(event_type.created_at), micros(event_type.updated_at));
    sqlx::query!(
        "INSERT INTO webhooks_event_types (name, description, schema, created_at, updated_at, examples)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (name) DO UPDATE SET description = excluded.description, schema = excluded.schema,
           updated_at = excluded.updated_at, examples = excluded.examples",
        name,
        event_type.description,
        schema,
        created_at,
        updated_at,
        examples
    )
    .execute(&mut *conn)
    .await?;
    next_version(conn).await?;
    Ok(before)
}

async fn remove(conn: &mut SqliteConnection, name: &str) -> Result<RemovedType, DbError> {
    let is_subscribed = sqlx::query_scalar!(
        r#"SELECT EXISTS (
             SELECT 1 FROM webhooks_webhooks AS w
               CROSS JOIN json_each(iif(json_valid(w.events), w.events, '[]')) AS pattern
             WHERE w.deleted_at IS NULL AND pattern.value = ?1
           ) AS "is_subscribed!: bool"
           FROM webhooks_event_types WHERE name = ?1"#,
        name
    )
    .fetch_optional(&mut *conn)
    .await?;
    match is_subscribed {
        None => return Ok(RemovedType::NotFound),
        Some(true) => return Ok(RemovedType::Subscribed),
        Some(false) => {}
    }
    sqlx::query!("DELETE FROM webhooks_event_types WHERE name = ?1", name).execute(&mut *conn).await?;
    next_version(conn).await?;
    Ok(RemovedType::Removed)
}

async fn next_version(conn: &mut SqliteConnection) -> Result<(), DbError> {
    sqlx::query!("UPDATE webhooks_event_types_version SET version = version + 1").execute(conn).await?;
    Ok(())
}
