//! [`PodRepository`].

use async_trait::async_trait;
use rdev_runner_domain::ports::{PodRepository, StoreError};
use rdev_runner_domain::{Pod, RunName};
use rdev_runner_store::pods::{StoredPod, run_name};

use crate::PostgresCommands;
use crate::error::DbError;

#[async_trait]
impl PodRepository for PostgresCommands {
    async fn add_pod(&self, run: &RunName, pod: &Pod) -> Result<bool, StoreError> {
        let added = sqlx::query!(
            "INSERT INTO rdev_runner.pod_runs (run, namespace, pod, uid, container)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (run) DO NOTHING",
            run.as_str(),
            pod.namespace.as_str(),
            pod.name,
            pod.uid,
            pod.container.as_str()
        )
        .execute(&self.pool)
        .await
        .map_err(DbError::from)?;
        Ok(added.rows_affected() > 0)
    }

    async fn find_pod(&self, run: &RunName) -> Result<Option<Pod>, StoreError> {
        let found = sqlx::query_as!(
            StoredPod,
            "SELECT namespace, pod, uid, container FROM rdev_runner.pod_runs WHERE run = $1",
            run.as_str()
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(DbError::from)?;
        found.map(|found| found.read(run)).transpose()
    }

    async fn pod_runs(&self) -> Result<Vec<RunName>, StoreError> {
        let names = sqlx::query_scalar!("SELECT run FROM rdev_runner.pod_runs ORDER BY run")
            .fetch_all(&self.pool)
            .await
            .map_err(DbError::from)?;
        names.iter().map(|name| run_name(name)).collect()
    }

    async fn remove_pod(&self, run: &RunName) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM rdev_runner.pod_runs WHERE run = $1", run.as_str())
            .execute(&self.pool)
            .await
            .map_err(DbError::from)?;
        Ok(())
    }
}
