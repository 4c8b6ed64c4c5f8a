//! [`CredentialRepository`].

use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{CredentialGrant, CredentialPut, CredentialRepository, StoreError};
use rdev_runner_domain::{
    Access, CommandId, Credential, CredentialDraft, CredentialUse, Page, PageRequest, ProjectName,
    RepositoryName, SecretName,
};
use rdev_runner_store::credentials::{PutPlan, StoredCredential, StoredVersion, unsigned};
use rdev_runner_store::internal;
use rdev_runner_store::rows::signed;
use sqlx::PgConnection;

use crate::PostgresCommands;
use crate::credential_rows::{CredentialRow, UseRow, VersionRow, project_list};
use crate::error::DbError;
use crate::rows::{projects, time};

#[async_trait]
impl CredentialRepository for PostgresCommands {
    async fn put(&self, access: &Access, draft: &CredentialDraft) -> Result<CredentialPut, StoreError> {
        let mut writing = self.write().await?;
        let (name, now) = (draft.name.as_str(), time(writing.now));
        let listed = project_list(draft.projects.iter().flatten().next());
        let inserted = sqlx::query!(
            "INSERT INTO rdev_runner.credentials (name, projects, created_at, updated_at) VALUES ($1, $2, $3, $3)
             ON CONFLICT (name) DO NOTHING",
            name,
            listed.as_deref(),
            now
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        let Some(stored) = find(&mut writing.tx, &draft.name).await? else {
            return Err(internal("a credential that was inserted is not there"));
        };
        let last_number = sqlx::query_scalar!(
            "SELECT max(number) FROM (
                 SELECT number FROM rdev_runner.credential_versions WHERE name = $1
                 UNION ALL SELECT version FROM rdev_runner.credential_uses WHERE name = $1) AS numbers",
            name
        )
        .fetch_one(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        let is_new = inserted.rows_affected() > 0;
        let last = (is_new, last_number.unwrap_or_default());
        let plan = stored.plan(&self.keyring, access, draft, last, writing.now)?;
        let (ends, added, deleted, credential) = match plan {
            PutPlan::Write { ends, added, deleted, credential } => (ends, added, deleted, *credential),
            PutPlan::ValueRequired => return Ok(CredentialPut::ValueRequired),
            PutPlan::NotFound => return Ok(CredentialPut::NotFound),
        };
        let listed = project_list(credential.projects.as_ref());
        sqlx::query!(
            "UPDATE rdev_runner.credentials SET projects = $2, updated_at = $3 WHERE name = $1",
            name,
            listed.as_deref(),
            time(credential.updated_at)
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        for (number, end) in ends {
            let end = end.map(time);
            sqlx::query!(
                "UPDATE rdev_runner.credential_versions SET expires_at = $3 WHERE name = $1 AND number = $2",
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
                "DELETE FROM rdev_runner.credential_versions WHERE name = $1 AND number = $2",
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
        rows.into_iter().next().map(CredentialRow::shown).transpose()
    }

    async fn list(
        &self,
        access: &Access,
        project: Option<&ProjectName>,
        after: Option<&SecretName>,
        limit: u32,
    ) -> Result<Page<Credential>, StoreError> {
        let rows = self.read_credentials(access, None, project, after, i64::from(limit) + 1).await?;
        Page::read(rows, limit, |row| row.name.clone(), CredentialRow::shown)
    }

    async fn delete(&self, access: &Access, name: &SecretName) -> Result<bool, StoreError> {
        let mut writing = self.write().await?;
        let (name, visible) = (name.as_str(), projects(access));
        let deleted = sqlx::query!(
            "DELETE FROM rdev_runner.credentials
             WHERE name = $1 AND ($2::text[] IS NULL OR projects <@ $2)",
            name,
            visible.as_deref()
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        if deleted.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query!("DELETE FROM rdev_runner.credential_versions WHERE name = $1", name)
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
        let (text, visible) = (name.as_str(), projects(access));
        let before = page.before.map(|before| before.as_uuid());
        let most = i64::from(page.limit) + 1;
        let rows = sqlx::query_as!(
            UseRow,
            "SELECT command_id, project, version, used_at, repository FROM rdev_runner.credential_uses
             WHERE name = $1 AND ($2::text[] IS NULL OR project = ANY($2))
               AND ($3::uuid IS NULL OR command_id < $3)
             ORDER BY command_id DESC LIMIT $4",
            text,
            visible.as_deref(),
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
        let (now, before) = (time(writing.now), time(writing.now - retention));
        sqlx::query!(
            "DELETE FROM rdev_runner.credential_versions AS old
             WHERE old.expires_at <= $1 AND old.number < (SELECT max(newer.number)
                 FROM rdev_runner.credential_versions AS newer WHERE newer.name = old.name)",
            now
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        let deleted = sqlx::query!(
            "DELETE FROM rdev_runner.credential_uses WHERE (name, command_id) IN (
                 SELECT old.name, old.command_id FROM rdev_runner.credential_uses AS old
                 WHERE old.used_at < $1 AND NOT EXISTS (SELECT FROM rdev_runner.commands AS command
                     WHERE command.id = old.command_id AND command.ended_at IS NULL)
                 ORDER BY old.used_at LIMIT $2)",
            before,
            i64::from(limit)
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(deleted.rows_affected())
    }
}

impl PostgresCommands {
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
        // Before the use is looked for, so that two grants to one command wait for each other.
        let stored = find(&mut writing.tx, name).await?;
        let used = sqlx::query_scalar!(
            "SELECT version FROM rdev_runner.credential_uses WHERE name = $1 AND command_id = $2",
            text,
            id
        )
        .fetch_optional(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        let Some(stored) = stored else {
            return Ok(used.map_or(CredentialGrant::Unknown, |_| CredentialGrant::Gone));
        };
        let grant = stored.grant(&self.keyring, project, used, writing.now)?;
        let (CredentialGrant::Granted(granted), None) = (&grant, used) else { return Ok(grant) };
        let (project, version, now) = (project.as_str(), signed(granted.version), time(writing.now));
        let repository = repository.map(RepositoryName::as_str);
        sqlx::query!(
            "INSERT INTO rdev_runner.credential_uses (name, command_id, project, version, used_at, repository)
             VALUES ($1, $2, $3, $4, $5, $6)",
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
        sqlx::query!("UPDATE rdev_runner.credentials SET last_used_at = $2 WHERE name = $1", text, now)
            .execute(&mut *writing.tx)
            .await
            .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(grant)
    }
}

impl PostgresCommands {
    /// Returns the visible credentials: the one of a name, or those that a project may use, or all, after another name.
    async fn read_credentials(
        &self,
        access: &Access,
        name: Option<&SecretName>,
        project: Option<&ProjectName>,
        after: Option<&SecretName>,
        most: i64,
    ) -> Result<Vec<CredentialRow>, StoreError> {
        let visible = projects(access);
        let (name, after) = (name.map(SecretName::as_str), after.map(SecretName::as_str));
        let project = project.map(ProjectName::as_str);
        let rows = sqlx::query_as!(
            CredentialRow,
            r#"SELECT name, projects, created_at, updated_at, last_used_at, rdev_runner.now() AS "now!",
                 (SELECT json_agg(json_build_array(number, kind,
                      (extract(epoch FROM created_at) * 1000000)::bigint,
                      (extract(epoch FROM expires_at) * 1000000)::bigint))::text
                  FROM rdev_runner.credential_versions AS version WHERE version.name = credential.name) AS versions
             FROM rdev_runner.credentials AS credential
             WHERE ($1::text IS NULL OR name = $1) AND ($2::text IS NULL OR name > $2)
               AND ($3::text[] IS NULL OR projects <@ $3)
               AND ($4::text IS NULL OR projects IS NULL OR $4 = ANY(projects))
             ORDER BY name LIMIT $5"#,
            name,
            after,
            visible.as_deref(),
            project,
            most
        )
        .fetch_all(&self.pool)
        .await;
        Ok(rows.map_err(DbError::from)?)
    }
}

/// Locks a credential, and returns it with its values.
async fn find(conn: &mut PgConnection, name: &SecretName) -> Result<Option<StoredCredential>, StoreError> {
    let text = name.as_str();
    let row = sqlx::query_as!(
        CredentialRow,
        r#"SELECT name, projects, created_at, updated_at, last_used_at, rdev_runner.now() AS "now!",
             NULL::text AS versions
           FROM rdev_runner.credentials WHERE name = $1 FOR UPDATE"#,
        text
    );
    let Some(row) = row.fetch_optional(&mut *conn).await.map_err(DbError::from)? else { return Ok(None) };
    let versions = sqlx::query_as!(
        VersionRow,
        "SELECT number, kind, created_at, expires_at, value FROM rdev_runner.credential_versions WHERE name = $1",
        text
    );
    let versions = versions.fetch_all(conn).await.map_err(DbError::from)?;
    let versions = versions.into_iter().map(VersionRow::read).collect();
    Ok(Some(StoredCredential { versions, ..row.read()? }))
}

async fn add(conn: &mut PgConnection, name: &str, version: &StoredVersion) -> Result<(), DbError> {
    let (created_at, end) = (time(version.created_at), version.expires_at.map(time));
    sqlx::query!(
        "INSERT INTO rdev_runner.credential_versions (name, number, kind, created_at, expires_at, value)
         VALUES ($1, $2, $3, $4, $5, $6)",
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
            command: CommandId::from_uuid(self.command_id),
            project: rdev_runner_store::credentials::project(name, &self.project)?,
            version: unsigned(name, self.version)?,
            repository: rdev_runner_store::credentials::repository(name, self.repository.as_deref())?,
            used_at: crate::rows::timestamp(self.used_at),
        })
    }
}
