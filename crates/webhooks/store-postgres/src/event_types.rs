//! [`EventTypeRepository`] on Postgres.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::{EventTypeRepository, Registered, RemovedType, StoreError};
use rdev_webhooks_domain::{EventType, RegisteredType, Timestamp};
use rdev_webhooks_store::damage;
use sqlx::{Connection, PgConnection};

use crate::convert::{from_sql_time, to_sql_time};
use crate::error::{DbError, corrupt};
use crate::store::PostgresStore;

#[async_trait]
impl EventTypeRepository for PostgresStore {
    async fn put(&self, event_type: &RegisteredType) -> Result<Option<Timestamp>, StoreError> {
        let before = self
            .inner
            .write()
            .run(async |conn| {
                let mut tx = conn.begin().await?;
                // Its lock allows one change at a time, so the missing row cannot appear meanwhile.
                next_version(&mut tx).await?;
                let before = sqlx::query_scalar!(
                    "SELECT created_at FROM rdev_webhooks.event_types WHERE name = $1",
                    event_type.name.as_str()
                )
                .fetch_optional(&mut *tx)
                .await?;
                sqlx::query!(
                    "INSERT INTO rdev_webhooks.event_types (name, description, schema, created_at, updated_at, examples)
                     VALUES ($1, $2, $3, $4, $5, $6)
                     ON CONFLICT (name) DO UPDATE SET description = excluded.description,
                         schema = excluded.schema, updated_at = excluded.updated_at, examples = excluded.examples",
                    event_type.name.as_str(),
                    event_type.description,
                    event_type.schema.as_deref(),
                    to_sql_time(event_type.created_at),
                    to_sql_time(event_type.updated_at),
                    &*event_type.examples,
                )
                .execute(&mut *tx)
                .await?;
                tx.commit().await?;
                Ok(before)
            })
            .await?;
        Ok(before.map(from_sql_time))
    }

    async fn remove(&self, name: &EventType) -> Result<RemovedType, StoreError> {
        self.inner
            .write()
            .run(async |conn| {
                let mut tx = conn.begin().await?;
                next_version(&mut tx).await?;
                let is_subscribed = sqlx::query_scalar!(
                    r#"SELECT EXISTS (
                           SELECT 1 FROM rdev_webhooks.webhooks WHERE deleted_at IS NULL AND $1 = ANY(events)
                       ) AS "is_subscribed!"
                       FROM rdev_webhooks.event_types WHERE name = $1"#,
                    name.as_str()
                )
                .fetch_optional(&mut *tx)
                .await?;
                match is_subscribed {
                    // Nothing changes, and so the version stays.
                    None => Ok(RemovedType::NotFound),
                    Some(true) => Ok(RemovedType::Subscribed),
                    Some(false) => {
                        sqlx::query!("DELETE FROM rdev_webhooks.event_types WHERE name = $1", name.as_str())
                            .execute(&mut *tx)
                            .await?;
                        tx.commit().await?;
                        Ok(RemovedType::Removed)
                    }
                }
            })
            .await
    }

    async fn version(&self) -> Result<u64, StoreError> {
        let version = self
            .inner
            .browse()
            .run(async |conn| {
                sqlx::query_scalar!("SELECT version FROM rdev_webhooks.event_types_version")
                    .fetch_one(&mut **conn)
                    .await
            })
            .await?;
        to_version(version)
    }

    async fn all(&self) -> Result<Registered, StoreError> {
        let rows = self.inner.browse().run(async |conn| fetch_rows(conn).await).await?;
        registered(rows)
    }
}

/// Returns all types and their version.
pub(crate) async fn read(conn: &mut PgConnection) -> Result<Registered, DbError> {
    Ok(registered(fetch_rows(conn).await?)?)
}

async fn fetch_rows(conn: &mut PgConnection) -> Result<Vec<Row>, sqlx::Error> {
    // One statement sees one moment.
    sqlx::query_as!(
        Row,
        r#"SELECT v.version, t.name AS "name?", t.description, t.schema, t.examples AS "examples?",
                           t.created_at AS "created_at?", t.updated_at AS "updated_at?"
                       FROM rdev_webhooks.event_types_version v LEFT JOIN rdev_webhooks.event_types t ON true
                       ORDER BY t.name"#
    )
    .fetch_all(conn)
    .await
}

fn registered(rows: Vec<Row>) -> Result<Registered, StoreError> {
    let version = to_version(rows.first().map_or(0, |row| row.version))?;
    let types = rows.into_iter().filter_map(|row| row.registered().transpose());
    Ok(Registered { version, types: types.filter_map(damage::leave_out).collect() })
}

/// A version and a type; no type if none exists.
struct Row {
    version: i64,
    name: Option<String>,
    description: Option<String>,
    schema: Option<String>,
    examples: Option<String>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
}

impl Row {
    fn registered(self) -> Result<Option<RegisteredType>, StoreError> {
        let (Some(name), Some(created_at), Some(updated_at)) = (self.name, self.created_at, self.updated_at)
        else {
            return Ok(None);
        };
        Ok(Some(RegisteredType {
            name: name.parse().map_err(|error| unreadable(&name, error))?,
            description: self.description,
            schema: self.schema.map(Into::into),
            examples: self.examples.unwrap_or_else(|| "[]".to_owned()).into(),
            created_at: from_sql_time(created_at),
            updated_at: from_sql_time(updated_at),
        }))
    }
}

fn unreadable(name: &str, error: rdev_webhooks_domain::EventTypeError) -> StoreError {
    corrupt("event_types", "name", name, error)
}

pub(crate) fn to_version(stored: i64) -> Result<u64, StoreError> {
    u64::try_from(stored).map_err(|error| corrupt("event_types_version", "version", stored, error))
}

async fn next_version(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE rdev_webhooks.event_types_version SET version = version + 1").execute(conn).await?;
    Ok(())
}
