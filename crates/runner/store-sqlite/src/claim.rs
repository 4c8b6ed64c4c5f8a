//! Claims, and why commands wait.

use rdev_runner_domain::ports::{Signal, StoreError};
use rdev_runner_domain::{ClaimRequest, CommandId, CommandState, LeasedCommand, QueueLimits, Waiting};
use rdev_runner_store::rows::number;
use rdev_runner_store::{Occupancy, internal};

use crate::SqliteCommands;
use crate::error::DbError;
use crate::queue;
use crate::rows;

/// Returns the parameter with the limits of the providers.
fn providers(limits: &QueueLimits) -> Result<String, StoreError> {
    let object: serde_json::Map<_, _> =
        limits.providers.iter().map(|(name, most)| (name.to_string(), (*most).into())).collect();
    serde_json::to_string(&object).map_err(internal)
}

impl SqliteCommands {
    pub(crate) async fn claim_next(&self, claim: &ClaimRequest) -> Result<Option<LeasedCommand>, DbError> {
        // Without a queued command neither a transaction nor a lock is needed.
        let has_queued = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM runner_commands WHERE status = 'queued') AS "has_queued!: bool""#
        )
        .fetch_one(&self.pool)
        .await?;
        if !has_queued {
            return Ok(None);
        }
        let mut writing = self.write().await?;
        let (host, token) = (claim.host.as_str(), claim.token.as_i64());
        let now = writing.now.as_micros();
        let expires_at = (writing.now + claim.lease_for).as_micros();
        let (most, providers) = (claim.limits.max_running, providers(&claim.limits)?);
        let claimed = sqlx::query_scalar!(
            r#"UPDATE runner_commands
             SET status = 'starting', started_at = ?1, host = ?2, lease_token = ?3, lease_expires_at = ?4
             WHERE id = (
               SELECT queued.id
               FROM runner_commands AS queued
               JOIN runner_projects AS project ON project.name = queued.project
               JOIN json_each(?5) AS provider ON provider.key = queued.provider
               WHERE queued.status = 'queued'
                 AND ?6 > (SELECT count(*) FROM runner_commands AS active
                   WHERE active.status IN ('starting', 'running', 'cancelling'))
                 AND provider.value > (SELECT count(*) FROM runner_commands AS active
                   WHERE active.status IN ('starting', 'running', 'cancelling')
                     AND active.provider = queued.provider)
                 AND project.max_running > (SELECT count(*) FROM runner_commands AS active
                   WHERE active.status IN ('starting', 'running', 'cancelling')
                     AND active.project = queued.project)
                 AND NOT EXISTS (SELECT 1 FROM runner_commands AS active
                   WHERE active.status IN ('starting', 'running', 'cancelling')
                     AND active.project = queued.project AND active.provider = queued.provider
                     AND (active.resumes = queued.resumes OR active.session = queued.resumes))
               ORDER BY queued.id LIMIT 1)
             RETURNING id AS "id!: Vec<u8>""#,
            now,
            host,
            token,
            expires_at,
            providers,
            most
        )
        .fetch_optional(&mut *writing.tx)
        .await?;
        let Some(id) = claimed else { return Ok(None) };
        let id = rows::command_id(&id)?;
        let leased = queue::leased(&mut writing.tx, id, claim.token).await?;
        let change = CommandState::Queued.start(writing.now).map_err(internal)?;
        let draft = leased.request.draft();
        self.publish(&mut writing, id, &draft.project, &draft.provider, &change).await?;
        writing.signal(Signal::Changed(id));
        writing.commit().await?;
        Ok(Some(leased))
    }

    pub(crate) async fn why_waiting(
        &self,
        limits: &QueueLimits,
        id: CommandId,
    ) -> Result<Option<Waiting>, StoreError> {
        let uuid = id.as_uuid();
        let row = sqlx::query!(
            r#"SELECT
               (SELECT count(*) FROM runner_commands AS earlier
                WHERE earlier.status = 'queued' AND earlier.id <= queued.id) AS "position!: i64",
               (SELECT count(*) FROM runner_commands AS active
                WHERE active.status IN ('starting', 'running', 'cancelling')) AS "running!: i64",
               (SELECT count(*) FROM runner_commands AS active
                WHERE active.status IN ('starting', 'running', 'cancelling')
                  AND active.provider = queued.provider) AS "of_provider!: i64",
               queued.provider,
               (SELECT count(*) FROM runner_commands AS active
                WHERE active.status IN ('starting', 'running', 'cancelling')
                  AND active.project = queued.project) AS "of_project!: i64",
               (SELECT max_running FROM runner_projects WHERE name = queued.project) AS "max_of_project: i64",
               EXISTS (SELECT 1 FROM runner_commands AS active
                WHERE active.status IN ('starting', 'running', 'cancelling')
                  AND active.project = queued.project AND active.provider = queued.provider
                  AND (active.resumes = queued.resumes OR active.session = queued.resumes)) AS "on_session!: bool"
             FROM runner_commands AS queued WHERE queued.id = ?1 AND queued.status = 'queued'"#,
            uuid
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(DbError::from)?;
        let Some(row) = row else { return Ok(None) };
        let occupancy = Occupancy {
            provider: &row.provider,
            running: row.running,
            of_provider: row.of_provider,
            of_project: row.of_project,
            max_of_project: row.max_of_project,
            is_on_session: row.on_session,
        };
        let reason = occupancy.reason(limits);
        Ok(Some(Waiting { position: number(id, "id", row.position)?, reason }))
    }
}
