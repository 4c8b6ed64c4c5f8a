//! The results of the phases, as rows of the report.

use serde_json::json;

use super::backlog::Backlog;
use super::deliver::DeliveryRate;
use super::embedded::Embedded;
use super::latency::Latency;
use super::limit::Limits;
use super::memory::Memory;
use super::publish::PublishRate;
use crate::ledger::Ledger;
use crate::report::{Report, grouped, ms};

pub(super) fn limit(report: &mut Report, limits: &Limits) {
    report.heading("limit of this machine");
    let note = format!("before {}, after {}", grouped(limits.before), grouped(limits.after));
    report.row("bare client to bare receiver", &format!("{}/s", grouped(limits.mean())), &note);
    report.json("limit", json!({"before": limits.before, "after": limits.after, "mean": limits.mean()}));
}

pub(super) fn published(report: &mut Report, rate: &PublishRate, limits: &Limits) {
    report.heading("publishing, durable, without a worker");
    let per_second = rate.published.per_second();
    let ratio = per_second / limits.mean();
    let events = rate.published.events as f64;
    let (api, postgres) = (rate.used.cpu.api / events * 1e3, rate.used.cpu.postgres / events * 1e3);
    report.row("events", &format!("{}/s", grouped(per_second)), &format!("{ratio:.4} × the limit"));
    report.row(
        "processor time per event",
        &format!("{:.3} ms", api + postgres),
        &format!("api {api:.3}, Postgres {postgres:.3}"),
    );
    let (wal, transactions) = (rate.used.work.wal_bytes / events, rate.used.work.transactions / events);
    report.row("WAL per event", &format!("{} bytes", grouped(wal)), &format!("{transactions:.3} statements"));
    report.json(
        "publish",
        json!({"per_second": per_second, "ratio": ratio, "cpu_ms": {"api": api, "postgres": postgres},
            "wal_bytes": wal, "statements": transactions}),
    );
}

pub(super) fn published_in(report: &mut Report, rate: &PublishRate, by_api: Option<&PublishRate>) {
    report.heading("publishing in callers' transactions, durable, without a worker");
    let per_second = rate.published.per_second();
    let times = by_api.map(|api| per_second / api.published.per_second());
    let compared = times.map(|times| format!("{times:.2} × the API's path")).unwrap_or_default();
    report.row("events", &format!("{}/s", grouped(per_second)), &compared);
    let each = |rate: &PublishRate, seconds: f64| seconds / rate.published.events as f64 * 1e3;
    let (caller, postgres) = (each(rate, rate.used.cpu.bench), each(rate, rate.used.cpu.postgres));
    let api = by_api.map(|api| {
        let cpu = api.used.cpu;
        [each(api, cpu.bench), each(api, cpu.api), each(api, cpu.postgres)]
    });
    let compared = api.map(|[client, api, postgres]| {
        format!("; the API's path: client {client:.3}, api {api:.3}, Postgres {postgres:.3}")
    });
    report.row(
        "processor time per event",
        &format!("{:.3} ms", caller + postgres),
        &format!("caller {caller:.3}, Postgres {postgres:.3}{}", compared.unwrap_or_default()),
    );
    let events = rate.published.events as f64;
    let (wal, transactions) = (rate.used.work.wal_bytes / events, rate.used.work.transactions / events);
    report.row(
        "WAL per event",
        &format!("{} bytes", grouped(wal)),
        &format!("{transactions:.3} transactions"),
    );
    report.json(
        "publish_in",
        json!({"per_second": per_second, "by_api": times, "cpu_ms": {"caller": caller, "postgres": postgres},
            "wal_bytes": wal, "transactions": transactions}),
    );
}

pub(super) fn delivered(report: &mut Report, rate: &DeliveryRate, limits: &Limits) {
    let fan_out = rate.fan_out;
    let connections = rate.connections;
    report.heading(&format!("publishing on {connections} connections and delivering, fan-out {fan_out}"));
    let ratio = rate.per_second() / limits.mean();
    let deliveries = rate.deliveries as f64;
    let each = |seconds: f64| seconds / deliveries * 1e3;
    let cpu = rate.used.cpu;
    report.row(
        "deliveries",
        &format!("{}/s", grouped(rate.per_second())),
        &format!(
            "{ratio:.4} × the limit; {} in {:.1} s, published at {}/s",
            grouped(deliveries),
            rate.took.as_secs_f64(),
            grouped(rate.published.per_second())
        ),
    );
    report.row(
        "processor time per delivery",
        &format!("{:.3} ms", each(cpu.system())),
        &format!(
            "api {:.3}, worker {:.3}, Postgres {:.3}; besides, the benchmark's own {:.3}",
            each(cpu.api),
            each(cpu.worker),
            each(cpu.postgres),
            each(cpu.bench)
        ),
    );
    let (wal, transactions) =
        (rate.used.work.wal_bytes / deliveries, rate.used.work.transactions / deliveries);
    let meanwhile = rate.meanwhile as f64 / fan_out as f64 / rate.published.events as f64;
    report.row(
        "end to end",
        &format!("p50 {}", ms(rate.p50_us)),
        &format!("p99 {}; {meanwhile:.2} of it was delivered while it was published", ms(rate.p99_us)),
    );
    report.row("WAL per delivery", &format!("{} bytes", grouped(wal)), "");
    report.row(
        "statements per delivery",
        &format!("{transactions:.3}"),
        &format!("{}/s", grouped(rate.used.work.transactions / rate.used.seconds)),
    );
    let mut statements = Vec::new();
    for statement in &rate.statements {
        let (total, calls) = (statement.total_ms, statement.calls);
        let note = format!(
            "{} calls of {:.2} ms, for {:.1} deliveries each",
            grouped(calls as f64),
            total / calls as f64,
            deliveries / calls as f64
        );
        let name = format!("  in Postgres: {}", statement.name);
        report.row(&name, &format!("{:.3} ms", total / deliveries), &note);
        statements.push(json!({"calls": calls, "total_ms": total, "name": statement.name}));
    }
    report.json(
        &format!("deliver_{fan_out}_from_{connections}"),
        json!({"p50_us": rate.p50_us, "p99_us": rate.p99_us, "meanwhile": meanwhile,
            "per_second": rate.per_second(), "ratio": ratio, "deliveries": rate.deliveries,
            "published_per_second": rate.published.per_second(),
            "cpu_ms": {"api": each(cpu.api), "worker": each(cpu.worker), "postgres": each(cpu.postgres),
                "system": each(cpu.system()), "bench": each(cpu.bench)},
            "wal_bytes": wal, "statements": transactions, "in_database": statements}),
    );
}

pub(super) fn latencies(report: &mut Report, latencies: &[Latency]) {
    report.heading("end to end, fan-out 1, from sending the event until the receiver has it");
    let mut found = Vec::new();
    for latency in latencies {
        let Latency { rate, events, p50_us, p95_us, p99_us, max_us, used } = latency;
        let each = |seconds: f64| seconds / *events as f64 * 1e3;
        let cpu = used.cpu;
        report.row(
            &format!("{} events/s", grouped(f64::from(*rate))),
            &format!("p50 {}", ms(*p50_us)),
            &format!(
                "p95 {}, p99 {}, longest {}; {:.2} ms of processor time each: api {:.2}, worker {:.2}, Postgres {:.2}",
                ms(*p95_us),
                ms(*p99_us),
                ms(*max_us),
                each(cpu.system()),
                each(cpu.api),
                each(cpu.worker),
                each(cpu.postgres)
            ),
        );
        found.push(json!({"rate": rate, "events": events, "p50_us": p50_us, "p95_us": p95_us,
            "p99_us": p99_us, "max_us": max_us,
            "cpu_ms": {"api": each(cpu.api), "worker": each(cpu.worker), "postgres": each(cpu.postgres)},
            "statements": used.work.transactions / *events as f64}));
    }
    report.json("latency", found);
}

pub(super) fn backlog(report: &mut Report, backlog: &Backlog) {
    report.heading("a backlog, to ten webhooks");
    let (first, last) =
        (backlog.rates.first().copied().unwrap_or(0.0), backlog.rates.last().copied().unwrap_or(0.0));
    let deliveries = backlog.deliveries as f64;
    report.row(
        "drained",
        &format!("{}/s", grouped(backlog.per_second())),
        &format!(
            "{} in {:.1} s; they were published at {} events/s",
            grouped(deliveries),
            backlog.took.as_secs_f64(),
            grouped(backlog.filled.per_second())
        ),
    );
    let rates: Vec<_> = backlog.rates.iter().map(|rate| grouped(*rate)).collect();
    report.row("last tenth by first", &format!("{:.2}", last / first), &rates.join(", "));
    let cpu = backlog.used.cpu;
    report.row(
        "processor time per delivery",
        &format!("{:.3} ms", (cpu.worker + cpu.postgres) / deliveries * 1e3),
        &format!(
            "worker {:.3}, Postgres {:.3}",
            cpu.worker / deliveries * 1e3,
            cpu.postgres / deliveries * 1e3
        ),
    );
    report.json(
        "backlog",
        json!({"deliveries": backlog.deliveries, "per_second": backlog.per_second(),
            "rates_by_tenth": backlog.rates, "last_by_first": last / first,
            "cpu_ms": {"worker": cpu.worker / deliveries * 1e3, "postgres": cpu.postgres / deliveries * 1e3}}),
    );
}

pub(super) fn memory(report: &mut Report, memory: &Memory) {
    report.heading("the most memory that a process held");
    let processes =
        [("api", Some(memory.api)), ("worker", Some(memory.worker)), ("all in one", memory.embedded)];
    for (name, mib) in processes {
        if let Some(mib) = mib {
            report.row(name, &format!("{mib:.0} MiB"), "");
        }
    }
    report.json(
        "memory_mib",
        json!({"api": memory.api, "worker": memory.worker, "all_in_one": memory.embedded}),
    );
}

pub(super) fn embedded(
    report: &mut Report,
    found: &Embedded,
    limits: &Limits,
    postgres: Option<&DeliveryRate>,
) {
    report.heading("all in one process on SQLite, fan-out 1");
    let ratio = found.per_second() / limits.mean();
    let by_postgres = postgres.map(|postgres| found.per_second() / postgres.per_second());
    let compared = by_postgres.map(|times| format!(", {times:.2} × Postgres")).unwrap_or_default();
    let cpu_ms = found.cpu_seconds / found.deliveries as f64 * 1e3;
    report.row(
        "deliveries",
        &format!("{}/s", grouped(found.per_second())),
        &format!(
            "{ratio:.4} × the limit{compared}; {} in {:.1} s, published at {}/s",
            grouped(found.deliveries as f64),
            found.took.as_secs_f64(),
            grouped(found.published.per_second())
        ),
    );
    report.row("processor time per delivery", &format!("{cpu_ms:.3} ms"), "");
    let low_load_ms = found.low_load_cpu_seconds * 1e3;
    let note = format!("p99 {}; {low_load_ms:.2} ms of processor time each", ms(found.p99_us));
    report.row("end to end at 200 events/s", &format!("p50 {}", ms(found.p50_us)), &note);
    report.json(
        "sqlite",
        json!({"per_second": found.per_second(), "ratio": ratio, "by_postgres": by_postgres, "cpu_ms": cpu_ms,
            "p50_us": found.p50_us, "p99_us": found.p99_us, "low_load_cpu_ms": low_load_ms}),
    );
}

pub(super) fn books(report: &mut Report, ledger: &Ledger) {
    report.heading("books, over all phases");
    let (duplicates, strangers) = ledger.surplus();
    let (arrived, lost) = ledger.latencies(0);
    report.row("deliveries", &grouped(arrived.len() as f64), "");
    report.row("lost", &lost.to_string(), "");
    report.row("duplicates", &duplicates.to_string(), "");
    report.json(
        "books",
        json!({"deliveries": arrived.len(), "lost": lost, "duplicates": duplicates, "strangers": strangers}),
    );
}
