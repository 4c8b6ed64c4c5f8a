//! The system under attack, on either database.

use std::net::SocketAddr;

use crate::database::Database;
use crate::system::{AllInOne, Deployment};
use crate::{Outcome, usage};

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// An API and a worker on Postgres.
    Postgres,
    /// Everything in one process on SQLite.
    Sqlite,
}

impl Kind {
    pub(super) const BOTH: &[Self] = &[Self::Postgres, Self::Sqlite];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "Postgres",
            Self::Sqlite => "SQLite",
        }
    }
}

/// A running system. Dropping it kills its processes: a graceful stop would wait for endpoints that never
/// respond.
pub(super) enum System {
    Postgres(Box<(Deployment, Database)>),
    Sqlite(Box<AllInOne>),
}

impl System {
    /// Starts a system whose deliveries may open at most `open_files` files.
    pub(super) async fn start(kind: Kind, open_files: Option<u32>) -> Outcome<Self> {
        match kind {
            Kind::Sqlite => Ok(Self::Sqlite(Box::new(AllInOne::start_limited(open_files).await?))),
            Kind::Postgres => {
                let database = Database::start().await?;
                let mut deployment = Deployment::start(&database.server).await?;
                deployment.start_limited_worker(open_files).await?;
                Ok(Self::Postgres(Box::new((deployment, database))))
            }
        }
    }

    /// Kills the delivering process and starts it again on the same data.
    pub(super) async fn restart(self) -> Outcome<Self> {
        match self {
            Self::Sqlite(process) => Ok(Self::Sqlite(Box::new(process.restart().await?))),
            Self::Postgres(mut system) => {
                system.0.kill_worker().await?;
                system.0.start_worker().await?;
                Ok(Self::Postgres(system))
            }
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Postgres(system) => system.0.address,
            Self::Sqlite(process) => process.address,
        }
    }

    /// Returns the peak memory of its processes, in MiB.
    pub(super) fn memory_mib(&self) -> Outcome<f64> {
        let pids = match self {
            Self::Postgres(system) => vec![Some(system.0.api.pid), system.0.worker_pid()],
            Self::Sqlite(process) => vec![Some(process.process.pid)],
        };
        pids.into_iter().flatten().map(usage::peak_memory_mib).sum()
    }
}
