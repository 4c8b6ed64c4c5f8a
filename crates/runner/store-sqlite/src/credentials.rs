//! [`CredentialRepository`].

use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{CredentialGrant, CredentialPut, CredentialRepository, StoreError};
use rdev_runner_domain::{
    Access, CommandId, Credential, CredentialDraft, CredentialUse, Page, PageRequest, ProjectName,
    RepositoryName, SecretName, Timestamp,
};
use rdev_runner_store::credentials::{PutPlan, StoredCredential, StoredVersion, unsigned};
use rdev_runner_store::internal;
use rdev_runner_store::rows::signed;
use sqlx::SqliteConnection;

use crate::SqliteCommands;
use crate::credential_rows::{CredentialRow, UseRow, VersionRow, project_list};
use crate::error::DbError;
use crate::rows::projects;

#[async_trait]
impl CredentialRepository for SqliteCommands {
    async fn put(&self, access: &Access, draft: &CredentialDraft) -> Result<CredentialPut, StoreError> {
        let mut writing = self.write().await?;
        let (name, now) = (draft.name.as_str(), writing.now.as_micros());
        let listed = project_list(draft.projects.iter().flatten().next())?;
        let inserted = sqlx::query!(
            "INSERT INTO runner_credentials (name, projects, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)
             ON CONFLICT (name) DO NOTHING",
            name,
            listed,
            now
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        let last_number = sqlx::query_scalar!(
            r#"SELECT max(number) AS "number: i64" FROM (
                 SELECT number FROM runner_credential_versions WHERE name = ?1
                 UNION ALL SELECT version FROM runner_credential_uses WHERE name = ?1)"#,
            name
        )
        .fetch_one(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        let is_new = inserted.rows_affected() > 0;
        let Some(stored) = find(&mut writing.tx, &draft.name).await? else {
            return Err(internal("a credential that was inserted is not there"));
        };
        let last = (is_new, last_number.unwrap_or_default());
        let plan = stored.plan(&self.keyring, access, draft, last, writing.now)?;
        let (ends, added, deleted, credential) = match plan {
            PutPlan::Write { ends, added, deleted, credential } => (ends, added, deleted, *credential),
            PutPlan::ValueRequired => return Ok(CredentialPut::ValueRequired),
            PutPlan::NotFound => return Ok(CredentialPut::NotFound),
        };
        let listed = project_list(credential.projects.as_ref())?;
        let updated_at = credential.updated_at.as_micros();
        sqlx::query!(
            "UPDATE runner_credentials SET projects = ?2, updated_at = ?3 WHERE name = ?1",
            name,
            listed,
            updated_at
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        for (number, end) in ends {
            let end = end.map(Timestamp::as_micros);
            sqlx::query!(
                "UPDATE runner_credential_versions SET expires_at = ?3 WHERE name = ?1 AND number = ?2",
                name,
                number,
                end
            )
            .execute(&mut *writing.tx)
            .await
            .map_err(DbError::from)?;
        }
        if let Some(version) = added {
            add(&mut writing.tx, name, &version).await?;
        }
        for number in deleted {
            sqlx::query!(
                "DELETE FROM runner_credential_versions WHERE name = ?1 AND number = ?2",
                name,
                number
            )
            .execute(&mut *writing.tx)
            .await
            .map_err(DbError::from)?;
        }
        writing.commit().await?;
        Ok(if is_new { CredentialPut::Created(credential) } else { CredentialPut::Changed(credential) })
    }

    async fn get(&self, access: &Access, name: &SecretName) -> Result<Option<Credential>, StoreError> {
        let rows = self.read_credentials(access, Some(name), None, None, 1).await?;
        let now = self.clock.now();
        rows.into_iter().next().map(|row| row.read()?.read(now)).transpose()
    }

    async fn list(
        &self,
        access: &Access,
        project: Option<&ProjectName>,
        after: Option<&SecretName>,
        limit: u32,
    ) -> Result<Page<Credential>, StoreError> {
        let rows = self.read_credentials(access, None, project, after, i64::from(limit) + 1).await?;
        let now = self.clock.now();
        Page::read(rows, limit, |row| row.name.clone(), |row| row.read()?.read(now))
    }

    async fn delete(&self, access: &Access, name: &SecretName) -> Result<bool, StoreError> {
        let mut writing = self.write().await?;
        let (name, visible) = (name.as_str(), projects(access)?);
        let deleted = sqlx::query!(
            "DELETE FROM runner_credentials
             WHERE name = ?1 AND (?2 IS NULL OR (projects IS NOT NULL AND NOT EXISTS (
                 SELECT 1 FROM json_each(projects) AS own WHERE own.value NOT IN (SELECT value FROM json_each(?2)))))",
            name,
            visible
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        if deleted.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query!("DELETE FROM runner_credential_versions WHERE name = ?1", name)
            .execute(&mut *writing.tx)
            .await
            .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(true)
    }

    async fn grant(
        &self,
        name: &SecretName,
        command: CommandId,
        project: &ProjectName,
    ) -> Result<CredentialGrant, StoreError> {
        self.grant_use(name, command, project, None).await
    }

    async fn grant_to_repository(
        &self,
        name: &SecretName,
        id: CommandId,
        project: &ProjectName,
        repository: &RepositoryName,
    ) -> Result<CredentialGrant, StoreError> {
        self.grant_use(name, id, project, Some(repository)).await
    }

    async fn uses(
        &self,
        access: &Access,
        name: &SecretName,
        page: PageRequest<CommandId>,
    ) -> Result<Page<CredentialUse>, StoreError> {
        let (text, visible) = (name.as_str(), projects(access)?);
        let before = page.before.map(|before| before.as_uuid());
        let most = i64::from(page.limit) + 1;
        let rows = sqlx::query_as!(
            UseRow,
            "SELECT command_id, project, version, used_at, repository FROM runner_credential_uses
             WHERE name = ?1 AND (?2 IS NULL OR project IN (SELECT value FROM json_each(?2)))
               AND (?3 IS NULL OR command_id < ?3)
             ORDER BY command_id DESC LIMIT +?4",
            text,
            visible,
            before,
            most
        )
        .fetch_all(&self.pool)
        .await
        .map_err(DbError::from)?;
        Page::read(rows, page.limit, UseRow::id_text, |row| row.read(name))
    }

    async fn prune_credentials(&self, retention: Duration, limit: u32) -> Result<u64, StoreError> {
        let mut writing = self.write().await?;
        let (now, before) = (writing.now.as_micros(), (writing.now - retention).as_micros());
        sqlx::query!(
            "DELETE FROM runner_credential_versions
             WHERE expires_at <= ?1 AND number < (SELECT max(newer.number) FROM runner_credential_versions AS newer
                 WHERE newer.name = runner_credential_versions.name)",
            now
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        let deleted = sqlx::query!(
            "DELETE FROM runner_credential_uses WHERE rowid IN (
                 SELECT old.rowid FROM runner_credential_uses AS old
                 WHERE old.used_at < ?1 AND NOT EXISTS (SELECT 1 FROM runner_commands AS command
                     WHERE command.id = old.command_id AND command.ended_at IS NULL)
                 ORDER BY old.used_at LIMIT +?2)",
            before,
            limit
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(deleted.rows_affected())
    }
}

impl SqliteCommands {
    /// Grants a credential to a command, or to the pipelines of a repository under an id of its own.
    async fn grant_use(
        &self,
        name: &SecretName,
        command: CommandId,
        project: &ProjectName,
        repository: Option<&RepositoryName>,
    ) -> Result<CredentialGrant, StoreError> {
        let mut writing = self.write().await?;
        let (text, id) = (name.as_str(), command.as_uuid());
        let used = sqlx::query_scalar!(
            "SELECT version FROM runner_credential_uses WHERE name = ?1 AND command_id = ?2",
            text,
            id
        )
        .fetch_optional(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        let Some(stored) = find(&mut writing.tx, name).await? else {
            return Ok(used.map_or(CredentialGrant::Unknown, |_| CredentialGrant::Gone));
        };
        let grant = stored.grant(&self.keyring, project, used, writing.now)?;
        let (CredentialGrant::Granted(granted), None) = (&grant, used) else { return Ok(grant) };
        let (project, version, now) = (project.as_str(), signed(granted.version), writing.now.as_micros());
        let repository = repository.map(RepositoryName::as_str);
        sqlx::query!(
            "INSERT INTO runner_credential_uses (name, command_id, project, version, used_at, repository)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            text,
            id,
            project,
            version,
            now,
            repository
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        sqlx::query!("UPDATE runner_credentials SET last_used_at = ?2 WHERE name = ?1", text, now)
            .execute(&mut *writing.tx)
            .await
            .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(grant)
    }
}

impl SqliteCommands {
    /// Returns the visible credentials: the one of a name, or those that a project may use, or all, after another name.
    async fn read_credentials(
        &self,
        access: &Access,
        name: Option<&SecretName>,
        project: Option<&ProjectName>,
        after: Option<&SecretName>,
        most: i64,
    ) -> Result<Vec<CredentialRow>, StoreError> {
        let visible = projects(access)?;
        let (name, after) = (name.map(SecretName::as_str), after.map(SecretName::as_str));
        let project = project.map(ProjectName::as_str);
        let rows = sqlx::query_as!(
            CredentialRow,
            r#"SELECT name, projects, created_at, updated_at, last_used_at,
                 (SELECT json_group_array(json_array(number, kind, created_at, expires_at))
                  FROM runner_credential_versions AS version WHERE version.name = credential.name) AS "versions!: String"
             FROM runner_credentials AS credential
             WHERE (?1 IS NULL OR name = ?1) AND (?2 IS NULL OR name > ?2)
               AND (?3 IS NULL OR (projects IS NOT NULL AND NOT EXISTS (
                   SELECT 1 FROM json_each(projects) AS own WHERE own.value NOT IN (SELECT value FROM json_each(?3)))))
               AND (?4 IS NULL OR projects IS NULL OR ?4 IN (SELECT value FROM json_each(projects)))
             ORDER BY name LIMIT +?5"#,
            name,
            after,
            visible,
            project,
            most
        )
        .fetch_all(&self.pool)
        .await;
        Ok(rows.map_err(DbError::from)?)
    }
}

/// Returns a credential with its values.
async fn find(
    conn: &mut SqliteConnection,
    name: &SecretName,
) -> Result<Option<StoredCredential>, StoreError> {
    let text = name.as_str();
    let row = sqlx::query_as!(
        CredentialRow,
        r#"SELECT name, projects, created_at, updated_at, last_used_at, '[]' AS "versions!: String"
           FROM runner_credentials WHERE name = ?1"#,
        text
    );
    let Some(row) = row.fetch_optional(&mut *conn).await.map_err(DbError::from)? else { return Ok(None) };
    let versions = sqlx::query_as!(
        VersionRow,
        "SELECT number, kind, created_at, expires_at, value FROM runner_credential_versions WHERE name = ?1",
        text
    );
    let versions = versions.fetch_all(conn).await.map_err(DbError::from)?;
    let versions = versions.into_iter().map(VersionRow::read).collect();
    Ok(Some(StoredCredential { versions, ..row.read()? }))
}

async fn add(conn: &mut SqliteConnection, name: &str, version: &StoredVersion) -> Result<(), DbError> {
    let (created_at, end) = (version.created_at.as_micros(), version.expires_at.map(Timestamp::as_micros));
    sqlx::query!(
        "INSERT INTO runner_credential_versions (name, number, kind, created_at, expires_at, value)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        name,
        version.number,
        version.kind,
        created_at,
        end,
        version.value
    )
    .execute(conn)
    .await?;
    Ok(())
}

impl UseRow {
    fn read(self, name: &SecretName) -> Result<CredentialUse, StoreError> {
        Ok(CredentialUse {
            command: crate::rows::command_id(&self.command_id)?,
            project: rdev_runner_store::credentials::project(name, &self.project)?,
            version: unsigned(name, self.version)?,
            repository: rdev_runner_store::credentials::repository(name, self.repository.as_deref())?,
            used_at: Timestamp::from_micros(self.used_at),
        })
    }
}
