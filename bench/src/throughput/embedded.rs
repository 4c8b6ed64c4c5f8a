//! The same measurements for one process on SQLite, at fan-out 1.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Options;
use crate::ledger::Ledger;
use crate::publisher::{Published, Publisher};
use crate::stats::{per_second, percentile};
use crate::system::{API_KEY, AllInOne, TO_ONE, subscribe};
use crate::usage::{cpu_seconds, peak_memory_mib};
use crate::{Outcome, say};

const LATENCY_RATE: u32 = 200;

pub(super) struct Embedded {
    pub(super) published: Published,
    pub(super) deliveries: u64,
    pub(super) took: Duration,
    pub(super) cpu_seconds: f64,
    pub(super) memory_mib: f64,
    /// The median latency at 200 events per second.
    pub(super) p50_us: u32,
    pub(super) p99_us: u32,
    /// Processor seconds per delivery at that rate.
    pub(super) low_load_cpu_seconds: f64,
}

impl Embedded {
    pub(super) fn per_second(&self) -> f64 {
        per_second(self.deliveries, self.took)
    }
}

pub(super) async fn measure(
    options: &Options,
    ledger: &Arc<Ledger>,
    receiver: SocketAddr,
) -> Outcome<Embedded> {
    say("all in one process on SQLite, fan-out 1");
    let system = AllInOne::start().await?;
    subscribe(system.address, receiver).await?;
    let publisher = Publisher {
        address: system.address,
        key: API_KEY.to_owned(),
        event_type: TO_ONE,
        fan_out: 1,
        ledger: Arc::clone(ledger),
    };
    publisher.as_fast_as_answered(options.connections, options.duration() / 4, u64::MAX).await?;
    ledger.all_arrived(options.patience()).await?;

    let (first, cpu) = (ledger.mark(), cpu_seconds_now(&system)?);
    let began_us = ledger.now_us();
    let published = publisher.as_fast_as_answered(options.connections, options.duration(), u64::MAX).await?;
    ledger.all_arrived(options.patience()).await?;
    let took = Duration::from_micros(ledger.last_arrival_us().saturating_sub(began_us));
    let cpu_seconds = cpu_seconds_now(&system)? - cpu;
    let deliveries = (ledger.mark() - first) as u64;

    let (first, cpu) = (ledger.mark(), cpu_seconds_now(&system)?);
    publisher.at_rate(options.connections, LATENCY_RATE, options.duration()).await?;
    ledger.all_arrived(options.patience()).await?;
    let (latencies, _) = ledger.latencies(first);
    let low_load_cpu_seconds = (cpu_seconds_now(&system)? - cpu) / (ledger.mark() - first) as f64;
    let memory_mib = peak_memory_mib(system.process.pid)?;
    system.process.stop().await?;
    let (p50_us, p99_us) = (percentile(&latencies, 50.0), percentile(&latencies, 99.0));
    Ok(Embedded {
        published,
        deliveries,
        took,
        cpu_seconds,
        memory_mib,
        p50_us,
        p99_us,
        low_load_cpu_seconds,
    })
}

fn cpu_seconds_now(system: &AllInOne) -> Outcome<f64> {
    cpu_seconds(system.process.pid)
}
