//! [`PodRepository`].

use async_trait::async_trait;
use rdev_runner_domain::ports::{PodRepository, StoreError};
use rdev_runner_domain::{Pod, RunName};
use rdev_runner_store::pods::{StoredPod, run_name};

use crate::SqliteCommands;
use crate::error::DbError;

#[async_trait]
impl PodRepository for SqliteCommands {
    async fn add_pod(&self, run: &RunName, pod: &Pod) -> Result<bool, StoreError> {
        let mut writing = self.write().await?;
        let (run, namespace, container) = (run.as_str(), pod.namespace.as_str(), pod.container.as_str());
        let added = sqlx::query!(
            "INSERT INTO runner_pod_runs (run, namespace, pod, uid, container)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (run) DO NOTHING",
            run,
            namespace,
            pod.name,
            pod.uid,
            container
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(added.rows_affected() > 0)
    }

    async fn find_pod(&self, run: &RunName) -> Result<Option<Pod>, StoreError> {
        let name = run.as_str();
        let found = sqlx::query_as!(
            StoredPod,
            "SELECT namespace, pod, uid, container FROM runner_pod_runs WHERE run = ?1",
            name
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(DbError::from)?;
        found.map(|found| found.read(run)).transpose()
    }

    async fn pod_runs(&self) -> Result<Vec<RunName>, StoreError> {
        let names = sqlx::query_scalar!("SELECT run FROM runner_pod_runs ORDER BY run")
            .fetch_all(&self.pool)
            .await
            .map_err(DbError::from)?;
        names.iter().map(|name| run_name(name)).collect()
    }

    async fn remove_pod(&self, run: &RunName) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let run = run.as_str();
        sqlx::query!("DELETE FROM runner_pod_runs WHERE run = ?1", run)
            .execute(&mut *writing.tx)
            .await
            .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(())
    }
}
