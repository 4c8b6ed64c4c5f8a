//! The statistics of projects.

use std::time::Duration;

use rdev_runner_domain::ports::StoreError;
use rdev_runner_domain::{ProjectStatistics, StatisticsWindow};
use rdev_runner_store::statistics::{StatusCount, rank, statistics};

use crate::SqliteCommands;
use crate::error::DbError;

impl SqliteCommands {
    pub(crate) async fn add_up(
        &self,
        project: &str,
        window: StatisticsWindow,
    ) -> Result<ProjectStatistics, StoreError> {
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        let until = self.clock.now();
        let since = (until - window.as_duration()).as_micros();
        let mut counts = sqlx::query_as!(
            StatusCount,
            r#"SELECT status, count(*) AS "commands!: i64", count(started_at) AS "runs!: i64",
               coalesce(sum(input_tokens), 0) AS "input_tokens!: i64",
               coalesce(sum(output_tokens), 0) AS "output_tokens!: i64",
               coalesce(sum(cache_read_tokens), 0) AS "cache_read_tokens!: i64",
               coalesce(sum(cache_write_tokens), 0) AS "cache_write_tokens!: i64",
               coalesce(sum(cost_nanos), 0) AS "cost_nanos!: i64"
             FROM runner_commands WHERE project = ?1 AND ended_at >= ?2 GROUP BY status"#,
            project,
            since
        )
        .fetch_all(&mut *conn)
        .await
        .map_err(DbError::from)?;
        let runs = counts.iter().map(|count| count.runs).sum();
        let mut durations = [None; 2];
        for (duration, percent) in durations.iter_mut().zip([50, 95]) {
            let rank = rank(runs, percent);
            let found = sqlx::query_scalar!(
                r#"SELECT ended_at - started_at AS "micros!: i64"
                 FROM runner_commands WHERE project = ?1 AND ended_at >= ?2 AND started_at IS NOT NULL
                 ORDER BY ended_at - started_at LIMIT 1 OFFSET ?3"#,
                project,
                since,
                rank
            )
            .fetch_optional(&mut *conn)
            .await
            .map_err(DbError::from)?;
            *duration = found.map(|micros| Duration::from_micros(micros.max(0).unsigned_abs()));
        }
        let unfinished = sqlx::query!(
            r#"SELECT status, count(*) AS "commands!: i64" FROM runner_commands
             WHERE project = ?1 AND status IN ('queued', 'starting', 'running', 'cancelling') GROUP BY status"#,
            project
        )
        .fetch_all(&mut *conn)
        .await
        .map_err(DbError::from)?;
        counts.extend(unfinished.into_iter().map(|row| StatusCount::unfinished(row.status, row.commands)));
        statistics(window, until, counts, durations)
    }
}
