//! [`EventTypeRepository`].

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{EventTypeRepository, Registered, RemovedType, StoreError};
use rdev_webhooks_domain::{EventType, RegisteredType, Timestamp};
use sqlx::SqliteConnection;

use crate::error::Row;
use crate::rows::micros;
use crate::{SqliteStore, damage, error};

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
        let version = sqlx::query_scalar!("SELECT version FROM webhooks_event_types_version")
            .fetch_one(&self.readers)
            .await
            .map_err(error::database)?;
        to_version(version)
    }

    async fn all(&self) -> Result<Registered, StoreError> {
        // One view for both queries.
        let mut snapshot = self.snapshot().await?;
        let version = sqlx::query_scalar!("SELECT version FROM webhooks_event_types_version")
            .fetch_one(&mut *snapshot)
            .await
            .map_err(error::database)?;
        let rows = sqlx::query!(
            "SELECT name, description, schema, created_at, updated_at FROM webhooks_event_types ORDER BY name"
        )
        .fetch_all(&mut *snapshot)
        .await
        .map_err(error::database)?;
        let types = rows.into_iter().map(|row| {
            Ok::<_, StoreError>(RegisteredType {
                name: Row { table: "event_types", id: &row.name }.parse("name", &row.name)?,
                description: row.description,
                schema: row.schema.map(Into::into),
                created_at: Timestamp::from_micros(row.created_at),
                updated_at: Timestamp::from_micros(row.updated_at),
            })
        });
        let types = types.filter_map(damage::leave_out);
        Ok(Registered { version: to_version(version)?, types: types.collect() })
    }
}

async fn put(conn: &mut SqliteConnection, event_type: &RegisteredType) -> Result<Option<i64>, StoreError> {
    let name = event_type.name.as_str();
    let before = sqlx::query_scalar!("SELECT created_at FROM webhooks_event_types WHERE name = ?1", name)
        .fetch_optional(&mut *conn)
        .await
        .map_err(error::database)?;
    let schema = event_type.schema.as_deref();
    let (created_at, updated_at) = (micros(event_type.created_at), micros(event_type.updated_at));
    sqlx::query!(
        "INSERT INTO webhooks_event_types (name, description, schema, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (name) DO UPDATE SET description = excluded.description, schema = excluded.schema,
           updated_at = excluded.updated_at",
        name,
        event_type.description,
        schema,
        created_at,
        updated_at
    )
    .execute(&mut *conn)
    .await
    .map_err(error::database)?;
    next_version(conn).await?;
    Ok(before)
}

async fn remove(conn: &mut SqliteConnection, name: &str) -> Result<RemovedType, StoreError> {
    let is_subscribed = sqlx::query_scalar!(
        r#"SELECT EXISTS (
             SELECT 1 FROM webhooks_webhooks AS w CROSS JOIN json_each(iif(json_valid(w.events), w.events, '[]')) AS pattern
             WHERE w.deleted_at IS NULL AND pattern.value = ?1
           ) AS "is_subscribed!: bool"
           FROM webhooks_event_types WHERE name = ?1"#,
        name
    )
    .fetch_optional(&mut *conn)
    .await
    .map_err(error::database)?;
    match is_subscribed {
        None => return Ok(RemovedType::NotFound),
        Some(true) => return Ok(RemovedType::Subscribed),
        Some(false) => {}
    }
    sqlx::query!("DELETE FROM webhooks_event_types WHERE name = ?1", name)
        .execute(&mut *conn)
        .await
        .map_err(error::database)?;
    next_version(conn).await?;
    Ok(RemovedType::Removed)
}

async fn next_version(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query!("UPDATE webhooks_event_types_version SET version = version + 1")
        .execute(conn)
        .await
        .map_err(error::database)?;
    Ok(())
}

fn to_version(stored: i64) -> Result<u64, StoreError> {
    Row { table: "event_types_version", id: &stored }.number("version", stored)
}
