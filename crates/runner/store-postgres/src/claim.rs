//! Claims, and why commands wait.

use rdev_runner_domain::ports::{Signal, StoreError};
use rdev_runner_domain::{ClaimRequest, CommandId, CommandState, LeasedCommand, QueueLimits, Waiting};
use rdev_runner_store::rows::number;
use rdev_runner_store::{Occupancy, internal};

use crate::PostgresCommands;
use crate::error::DbError;
use crate::queue;
use crate::rows::interval;

impl PostgresCommands {
    pub(crate) async fn claim_next(&self, claim: &ClaimRequest) -> Result<Option<LeasedCommand>, DbError> {
        // Without a queued command neither a transaction nor a lock is needed.
        let has_queued = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM rdev_runner.commands WHERE status = 'queued') AS "has_queued!""#
        )
        .fetch_one(&self.pool)
        .await?;
        if !has_queued {
            return Ok(None);
        }
        let mut writing = self.write().await?;
        let (names, most): (Vec<_>, Vec<_>) =
            claim.limits.providers.iter().map(|(name, most)| (name.to_string(), signed(*most))).unzip();
        let claimed = sqlx::query_scalar!(
            r#"SELECT rdev_runner.claim($1, $2, $3, $4, $5, $6) AS "id""#,
            claim.host.as_str(),
            claim.token.as_i64(),
            interval(claim.lease_for),
            signed(claim.limits.max_running),
            &names,
            &most
        )
        .fetch_one(&mut *writing.tx)
        .await?;
        let Some(id) = claimed else { return Ok(None) };
        let id = CommandId::from_uuid(id);
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
               (SELECT count(*) FROM rdev_runner.commands AS earlier
                WHERE earlier.status = 'queued' AND earlier.id <= queued.id) AS "position!",
               (SELECT count(*) FROM rdev_runner.commands AS active
                WHERE active.status IN ('starting', 'running', 'cancelling')) AS "running!",
               (SELECT count(*) FROM rdev_runner.commands AS active
                WHERE active.status IN ('starting', 'running', 'cancelling')
                  AND active.provider = queued.provider) AS "of_provider!",
               queued.provider,
               (SELECT count(*) FROM rdev_runner.commands AS active
                WHERE active.status IN ('starting', 'running', 'cancelling')
                  AND active.project = queued.project) AS "of_project!",
               (SELECT max_running FROM rdev_runner.projects WHERE name = queued.project) AS "max_of_project?",
               EXISTS (SELECT FROM rdev_runner.commands AS active
                WHERE active.status IN ('starting', 'running', 'cancelling')
                  AND active.project = queued.project AND active.provider = queued.provider
                  AND (active.resumes = queued.resumes OR active.session = queued.resumes)) AS "on_session!"
             FROM rdev_runner.commands AS queued WHERE queued.id = $1 AND queued.status = 'queued'"#,
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
            max_of_project: row.max_of_project.map(i64::from),
            is_on_session: row.on_session,
        };
        let reason = occupancy.reason(limits);
        Ok(Some(Waiting { position: number(id, "id", row.position)?, reason }))
    }
}

/// Converts a limit as the database counts.
fn signed(limit: u32) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}
