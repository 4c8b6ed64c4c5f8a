//! Processor time and work of the database during a phase.

use tokio::time::Instant;

use super::Bench;
use crate::Outcome;
use crate::database::Work;
use crate::usage::cpu_seconds;

/// The usage up to a moment.
pub(super) struct Before {
    at: Instant,
    cpu: Cpu,
    work: Work,
}

/// Processor seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cpu {
    pub(super) api: f64,
    pub(super) worker: f64,
    pub(super) postgres: f64,
    /// Publisher and receiver.
    pub(super) bench: f64,
}

impl Cpu {
    pub(super) fn system(&self) -> f64 {
        self.api + self.worker + self.postgres
    }
}

/// The usage of a phase.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    pub(super) seconds: f64,
    pub(super) cpu: Cpu,
    pub(super) work: Work,
}

impl Before {
    pub(super) async fn take(bench: &mut Bench<'_>) -> Outcome<Self> {
        Ok(Self { at: Instant::now(), cpu: read(bench)?, work: bench.database.work().await? })
    }

    pub(super) async fn used(&self, bench: &mut Bench<'_>) -> Outcome<Used> {
        let cpu = read(bench)?;
        let seconds = self.at.elapsed().as_secs_f64();
        let work = bench.database.work().await?;
        Ok(Used {
            seconds,
            cpu: Cpu {
                api: cpu.api - self.cpu.api,
                worker: cpu.worker - self.cpu.worker,
                postgres: cpu.postgres - self.cpu.postgres,
                bench: cpu.bench - self.cpu.bench,
            },
            work: Work {
                wal_bytes: work.wal_bytes - self.work.wal_bytes,
                transactions: work.transactions - self.work.transactions,
            },
        })
    }
}

fn read(bench: &Bench<'_>) -> Outcome<Cpu> {
    Ok(Cpu {
        api: cpu_seconds(bench.deployment.api.pid)?,
        worker: bench.deployment.worker_pid().map(cpu_seconds).transpose()?.unwrap_or(0.0),
        postgres: bench.database.cpu_seconds()?,
        bench: cpu_seconds(std::process::id())?,
    })
}
