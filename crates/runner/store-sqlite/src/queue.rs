//! [`CommandQueue`].

use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{CommandQueue, Signal, StoreError};
use rdev_runner_domain::{
    AbandonedCommands, Access, AgentEvent, AttachRequest, Change, ClaimRequest, ClusterId, Command,
    CommandId, EventLog, Host, LeaseRef, LeaseState, LeaseToken, LeasedCommand, QueueLimits, RunBeginning,
    RunReport, SessionRef, Timestamp, Waiting,
};
use rdev_runner_json::event_to_json;
use rdev_runner_store::rows::{self, number, reason, signed};
use rdev_runner_store::statistics::StoredUsage;
use rdev_runner_store::{internal, report as changes};
use sqlx::SqliteConnection;

use crate::SqliteCommands;
use crate::commands::find;
use crate::error::DbError;
use crate::rows::{command_id, times};
use crate::store::Writing;

#[async_trait]
impl CommandQueue for SqliteCommands {
    async fn claim(&self, claim: &ClaimRequest) -> Result<Option<LeasedCommand>, StoreError> {
        Ok(self.claim_next(claim).await?)
    }

    async fn begin(&self, lease: &LeaseRef, beginning: &RunBeginning) -> Result<LeaseState, StoreError> {
        let mut writing = self.write().await?;
        let (id, token) = (lease.command.as_uuid(), lease.token.as_i64());
        let cluster = beginning.cluster.as_ref().map(ClusterId::as_str);
        let row = sqlx::query!(
            r#"UPDATE runner_commands SET has_begun = 1, cluster = ?3, checkpoint = ?4
             WHERE id = ?1 AND lease_token = ?2 AND ended_at IS NULL
             RETURNING last_seq AS "last_seq!: i64", status = 'cancelling' AS "is_cancelled!: bool""#,
            id,
            token,
            cluster,
            beginning.checkpoint
        )
        .fetch_optional(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        writing.commit().await?;
        let Some(row) = row else { return Ok(LeaseState::Lost) };
        let last_seq = number(lease.command, "last_seq", row.last_seq)?;
        Ok(LeaseState::Held { last_seq, is_cancelled: row.is_cancelled })
    }

    async fn requeue(&self, lease: &LeaseRef) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let Some((command, _)) = leased_command(&mut writing.tx, lease).await? else { return Ok(()) };
        if command.state.outcome().is_none() {
            self.return_to_queue(&mut writing, &command).await?;
        }
        writing.commit().await?;
        Ok(())
    }

    async fn requeue_expired(&self, limit: u32) -> Result<Vec<CommandId>, StoreError> {
        let mut writing = self.write().await?;
        let now = writing.now.as_micros();
        let expired = sqlx::query_scalar!(
            "SELECT id FROM runner_commands
             WHERE status IN ('starting', 'running', 'cancelling') AND NOT has_begun AND lease_expires_at <= ?1
             ORDER BY id LIMIT +?2",
            now,
            limit
        )
        .fetch_all(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        let mut requeued = Vec::with_capacity(expired.len());
        for id in expired {
            let id = command_id(&id)?;
            let Some(command) = find(&mut writing.tx, Access::everything(), id).await? else { continue };
            self.return_to_queue(&mut writing, &command).await?;
            requeued.push(id);
        }
        writing.commit().await?;
        Ok(requeued)
    }

    async fn attach(&self, attach: &AttachRequest) -> Result<Option<LeasedCommand>, StoreError> {
        let mut writing = self.write().await?;
        let (host, random) = (attach.host.as_str(), attach.token.as_i64());
        let (now, expires_at) = (writing.now.as_micros(), (writing.now + attach.lease_for).as_micros());
        let except = attach.except.iter().map(|command| format!("{:X}", command.as_uuid().simple()));
        let except = serde_json::to_string(&except.collect::<Vec<_>>()).map_err(internal)?;
        let cluster = attach.cluster.as_ref().map(ClusterId::as_str);
        let taken = sqlx::query_scalar!(
            r#"UPDATE runner_commands SET host = ?1, lease_token = ?2, lease_expires_at = ?3
             WHERE id = (
               SELECT id FROM runner_commands
               WHERE status IN ('starting', 'running', 'cancelling') AND has_begun AND lease_expires_at <= ?4
                 AND hex(id) NOT IN (SELECT value FROM json_each(?5))
                 AND CASE WHEN cluster IS NULL THEN host = ?1 ELSE cluster = ?6 END
               ORDER BY id LIMIT 1)
             RETURNING id AS "id!: Vec<u8>""#,
            host,
            random,
            expires_at,
            now,
            except,
            cluster
        )
        .fetch_optional(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        let Some(id) = taken else { return Ok(None) };
        let leased = leased(&mut writing.tx, command_id(&id)?, attach.token).await?;
        writing.commit().await?;
        Ok(Some(leased))
    }

    async fn expire_leases(&self, host: &Host) -> Result<u64, StoreError> {
        let mut writing = self.write().await?;
        let (host, now) = (host.as_str(), writing.now.as_micros());
        let expired = sqlx::query!(
            "UPDATE runner_commands SET lease_expires_at = ?2
             WHERE status IN ('starting', 'running', 'cancelling') AND host = ?1 AND lease_expires_at > ?2",
            host,
            now
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(expired.rows_affected())
    }

    async fn heartbeat(&self, lease: &LeaseRef, lease_for: Duration) -> Result<LeaseState, StoreError> {
        let mut writing = self.write().await?;
        let (id, token) = (lease.command.as_uuid(), lease.token.as_i64());
        let expires_at = (writing.now + lease_for).as_micros();
        let row = sqlx::query!(
            r#"UPDATE runner_commands SET lease_expires_at = ?3
             WHERE id = ?1 AND lease_token = ?2 AND ended_at IS NULL
             RETURNING last_seq AS "last_seq!: i64", status = 'cancelling' AS "is_cancelled!: bool""#,
            id,
            token,
            expires_at
        )
        .fetch_optional(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        writing.commit().await?;
        let Some(row) = row else { return Ok(LeaseState::Lost) };
        let last_seq = number(lease.command, "last_seq", row.last_seq)?;
        Ok(LeaseState::Held { last_seq, is_cancelled: row.is_cancelled })
    }

    async fn record(&self, lease: &LeaseRef, report: &RunReport) -> Result<LeaseState, StoreError> {
        let mut writing = self.write().await?;
        let Some((command, mut log)) = leased_command(&mut writing.tx, lease).await? else {
            return Ok(LeaseState::Lost);
        };
        if command.state.outcome().is_some() || report.after_seq != log.last_seq {
            return Ok(changes::held(&command, &log));
        }
        let change = changes::change(&command, report, writing.now)?;
        let stored = log.append(&report.events);
        add_events(&mut writing.tx, command.id, &stored).await?;
        update(&mut writing.tx, &command, &log, &change, report, changes::session(&stored, report)).await?;
        self.publish(&mut writing, command.id, &command.project, &command.provider, &change).await?;
        writing.signal(Signal::Changed(command.id));
        if change.state.outcome().is_some() {
            writing.signal(Signal::Queue);
        }
        writing.commit().await?;
        Ok(changes::held(&Command { state: change.state, ..command }, &log))
    }

    async fn lose(
        &self,
        after: Duration,
        cluster: Option<&ClusterId>,
        limit: u32,
    ) -> Result<AbandonedCommands, StoreError> {
        let cluster = cluster.map(ClusterId::as_str);
        let mut writing = self.write().await?;
        let before = (writing.now - after).as_micros();
        let abandoned = sqlx::query_scalar!(
            "SELECT id FROM runner_commands
             WHERE status IN ('starting', 'running', 'cancelling') AND has_begun AND lease_expires_at <= ?1
               AND (cluster IS NULL OR cluster = ?3 OR status = 'cancelling')
             ORDER BY id LIMIT +?2",
            before,
            limit,
            cluster
        )
        .fetch_all(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        let elsewhere = sqlx::query_scalar!(
            "SELECT id FROM runner_commands
             WHERE status IN ('starting', 'running') AND has_begun AND lease_expires_at <= ?1
               AND cluster <> coalesce(?3, '')
             ORDER BY id LIMIT +?2",
            before,
            limit,
            cluster
        )
        .fetch_all(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        let elsewhere = elsewhere.iter().map(|id| command_id(id)).collect::<Result<_, _>>()?;
        let mut lost = Vec::with_capacity(abandoned.len());
        for id in abandoned {
            let id = command_id(&id)?;
            let Some(command) = find(&mut writing.tx, Access::everything(), id).await? else { continue };
            let change = command.state.lose(writing.now).map_err(internal)?;
            let (uuid, status, (_, ended_at)) =
                (id.as_uuid(), change.state.status().as_str(), times(&change.state));
            sqlx::query!(
                "UPDATE runner_commands SET status = ?2, ended_at = ?3, lease_token = NULL WHERE id = ?1",
                uuid,
                status,
                ended_at
            )
            .execute(&mut *writing.tx)
            .await
            .map_err(DbError::from)?;
            self.publish(&mut writing, id, &command.project, &command.provider, &change).await?;
            writing.signal(Signal::Changed(id));
            lost.push(id);
        }
        if !lost.is_empty() {
            writing.signal(Signal::Queue);
        }
        writing.commit().await?;
        Ok(AbandonedCommands { lost, elsewhere })
    }

    async fn waiting(
        &self,
        limits: &QueueLimits,
        commands: &[CommandId],
    ) -> Result<Vec<Option<Waiting>>, StoreError> {
        let mut waiting = Vec::with_capacity(commands.len());
        for id in commands {
            waiting.push(self.why_waiting(limits, *id).await?);
        }
        Ok(waiting)
    }
}

impl SqliteCommands {
    /// Returns a command to the queue, or ends it if it is being cancelled.
    async fn return_to_queue(&self, writing: &mut Writing<'_>, command: &Command) -> Result<(), DbError> {
        let change = command.state.requeue(writing.now).map_err(internal)?;
        let (uuid, status, (_, ended_at)) =
            (command.id.as_uuid(), change.state.status().as_str(), times(&change.state));
        sqlx::query!(
            "UPDATE runner_commands
             SET status = ?2, started_at = NULL, ended_at = ?3, host = NULL, lease_token = NULL,
               lease_expires_at = NULL, has_begun = 0, cluster = NULL, checkpoint = NULL
             WHERE id = ?1",
            uuid,
            status,
            ended_at
        )
        .execute(&mut *writing.tx)
        .await?;
        self.publish(writing, command.id, &command.project, &command.provider, &change).await?;
        writing.signal(Signal::Changed(command.id));
        writing.signal(Signal::Queue);
        Ok(())
    }
}

/// Returns a command that was just taken.
pub(crate) async fn leased(
    conn: &mut SqliteConnection,
    id: CommandId,
    token: LeaseToken,
) -> Result<LeasedCommand, DbError> {
    let uuid = id.as_uuid();
    let row = sqlx::query!(
        "SELECT status, reason, started_at, ended_at, last_seq, checkpoint, request FROM runner_commands
         WHERE id = ?1",
        uuid
    )
    .fetch_one(conn)
    .await?;
    let times = (row.started_at.map(Timestamp::from_micros), row.ended_at.map(Timestamp::from_micros));
    Ok(LeasedCommand {
        lease: LeaseRef { command: id, token },
        request: rows::request(id, &row.request)?,
        state: rows::state(id, &row.status, row.reason.as_deref(), times)?,
        last_seq: number(id, "last_seq", row.last_seq)?,
        checkpoint: row.checkpoint,
    })
}

/// Returns the command of a valid lease, with the state of its events.
async fn leased_command(
    conn: &mut SqliteConnection,
    lease: &LeaseRef,
) -> Result<Option<(Command, EventLog)>, DbError> {
    let (uuid, token) = (lease.command.as_uuid(), lease.token.as_i64());
    let log = sqlx::query!(
        r#"SELECT last_seq, stored_bytes, is_truncated AS "is_truncated: bool" FROM runner_commands
         WHERE id = ?1 AND lease_token = ?2"#,
        uuid,
        token
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(log) = log else { return Ok(None) };
    let log = rows::log(lease.command, log.last_seq, log.stored_bytes, log.is_truncated)?;
    Ok(find(conn, Access::everything(), lease.command).await?.map(|command| (command, log)))
}

async fn add_events(
    conn: &mut SqliteConnection,
    id: CommandId,
    events: &[AgentEvent],
) -> Result<(), DbError> {
    let uuid = id.as_uuid();
    for event in events {
        let (seq, at) = (signed(event.seq), event.at.as_micros());
        let data = event_to_json(&event.kind).map_err(internal)?;
        sqlx::query!(
            "INSERT INTO runner_events (command_id, seq, at, data) VALUES (?1, ?2, ?3, ?4)",
            uuid,
            seq,
            at,
            data
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

async fn update(
    conn: &mut SqliteConnection,
    command: &Command,
    log: &EventLog,
    change: &Change,
    report: &RunReport,
    session: Option<&SessionRef>,
) -> Result<(), DbError> {
    let (uuid, status, reason) =
        (command.id.as_uuid(), change.state.status().as_str(), reason(&change.state));
    let (_, ended_at) = times(&change.state);
    let session = session.map(SessionRef::as_str);
    let (last_seq, stored_bytes, is_truncated) =
        (signed(log.last_seq), signed(log.stored_bytes), log.is_truncated);
    let (result, diff) = changes::result(report)?;
    let usage = StoredUsage::of(report);
    sqlx::query!(
        "UPDATE runner_commands
         SET status = ?2, reason = ?3, ended_at = ?4, session = coalesce(?5, session), last_seq = ?6,
           stored_bytes = ?7, is_truncated = ?8, checkpoint = coalesce(?9, checkpoint), result = ?10, diff = ?11,
           input_tokens = ?12, output_tokens = ?13, cache_read_tokens = ?14, cache_write_tokens = ?15,
           cost_nanos = ?16
         WHERE id = ?1",
        uuid,
        status,
        reason,
        ended_at,
        session,
        last_seq,
        stored_bytes,
        is_truncated,
        report.checkpoint,
        result,
        diff,
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cost_nanos
    )
    .execute(conn)
    .await?;
    Ok(())
}
