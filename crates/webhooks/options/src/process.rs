//! The lifecycle of a serving process: start, serve until a signal, and orderly shutdown.

use std::error::Error;
use std::fmt::Display;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use rdev_process::metrics::AlreadyCollected;
use rdev_process::telemetry::{self, with_causes};
use rdev_process::{Metrics, Shutdown, cli};
use rdev_webhooks::domain::Cidr;
use rdev_webhooks::http_api::{MetricsSource, Router, ServeOptions, serve, waiting_router};
use rdev_webhooks::keyring::Keyring;
use rdev_webhooks::{Ambient, Builder, Database, DatabaseKind, OpenError, RdevWebhooks};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The longest duration of the last request for a worker's metrics.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);

/// The pause of a start before it tries the database again.
const RETRY_OPEN: Duration = Duration::from_secs(1);

/// Returns the exit code of a process: 0, or 1 after it prints the error in one line on standard error.
#[must_use]
pub fn exit_code(ended: Result<(), Box<dyn Error>>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::print_error(with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Warns if the database allows only this process, so that no other does the work named by `missing`.
pub fn warn_if_alone(database: &Database, missing: &str) {
    if database.kind() == DatabaseKind::Sqlite {
        tracing::warn!(
            consequence = missing,
            "only one process can use an SQLite database; run `rdev-webhooks serve` for the API and the worker"
        );
    }
}

/// The data of the log line after the start.
pub struct Started {
    program: &'static str,
    database: &'static str,
    encryption_keys: String,
    allowed_destinations: String,
}

impl Started {
    /// Collects the data of a program with these options: the ids of the encryption keys, and the kind of the
    /// database.
    #[must_use]
    pub fn new(program: &'static str, database: &Database, keyring: &Keyring, allowed: &[Cidr]) -> Self {
        Self {
            program,
            database: database.kind().as_str(),
            encryption_keys: listed(keyring.key_ids()),
            allowed_destinations: listed(allowed),
        }
    }

    /// Logs it, with the database's version and the address of the listener.
    pub async fn log(&self, system: &RdevWebhooks, address: SocketAddr) {
        let database_version = system.database_version().await.unwrap_or_else(|_| "unknown".to_owned());
        tracing::info!(
            program = self.program,
            version = env!("CARGO_PKG_VERSION"),
            %address,
            database = self.database,
            database_version,
            encryption_keys = self.encryption_keys,
            allowed_destinations = self.allowed_destinations,
            "started"
        );
    }
}

fn listed(items: impl IntoIterator<Item: ToString>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(",") }
}

/// Starts to collect metrics. Must be called before the system is built.
///
/// # Errors
///
/// Fails if something else in this process already collects them.
pub fn metrics() -> Result<Metrics, AlreadyCollected> {
    let metrics = Metrics::install()?;
    describe_histogram!(
        "rdev_webhooks_http_request_duration_seconds",
        Unit::Seconds,
        "Duration of API requests, by method, route and status"
    );
    describe_gauge!("rdev_webhooks_build_info", "Always 1; the version is in the label");
    describe_counter!(
        "rdev_webhooks_log_lines_dropped_total",
        "Log lines that were dropped because they were not read"
    );
    gauge!("rdev_webhooks_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
    Ok(metrics)
}

/// Returns the source of metrics for a router.
#[must_use]
pub fn source(metrics: &Metrics) -> MetricsSource {
    let metrics = metrics.clone();
    let dropped = counter!("rdev_webhooks_log_lines_dropped_total");
    Arc::new(move || {
        dropped.absolute(telemetry::dropped_lines());
        metrics.render()
    })
}

/// Listens on an address.
///
/// # Errors
///
/// Fails with the address, the option that it came from, and the reason why it cannot be used.
pub async fn listen(address: SocketAddr, option: &str) -> Result<TcpListener, Box<dyn Error>> {
    let refused = |error: &dyn Display| format!("cannot listen on {address} ({option}): {error}");
    TcpListener::bind(address).await.map_err(|error| refused(&error).into())
}

/// Opens the system. While the database is unavailable it waits, and serves `/healthz`, `/metrics` and 503 on
/// the listener. Returns `None` if the process is stopped meanwhile.
///
/// # Errors
///
/// Fails with an error that waiting does not resolve.
pub async fn open(
    builder: Builder,
    listener: TcpListener,
    metrics: &Metrics,
    shutdown: &Shutdown,
) -> Result<Option<(RdevWebhooks, TcpListener)>, Box<dyn Error>> {
    match builder.clone().open().await {
        Ok(system) => return Ok(Some((system, listener))),
        Err(error) if !error.is_away() => return Err(error.into()),
        Err(error) => tracing::warn!(error = with_causes(&error), "database unavailable; waiting for it"),
    }
    gauge!("rdev_webhooks_ready").set(0);
    let listener = listener.into_std()?;
    // Connections that arrive while one server replaces the other wait in the listener's queue, which both
    // share.
    let waiting = TcpListener::from_std(listener.try_clone()?)?;
    let router = waiting_router(Ambient::system().entropy, Some(source(metrics)));
    let drain = shutdown.drain().child_token();
    let limits = ServeOptions { drain_timeout: ADMIN_DRAIN, ..ServeOptions::default() };
    let serving = tokio::spawn(serve(waiting, router, drain.clone(), limits));
    let opened = tokio::select! {
        opened = open_once_available(builder) => Some(opened),
        () = shutdown.wait() => None,
    };
    drain.cancel();
    serving.await??;
    match opened {
        Some(system) => Ok(Some((system?, TcpListener::from_std(listener)?))),
        None => Ok(None),
    }
}

/// Tries again until the database is available.
async fn open_once_available(builder: Builder) -> Result<RdevWebhooks, OpenError> {
    let began = Instant::now();
    loop {
        tokio::time::sleep(RETRY_OPEN).await;
        match builder.clone().open().await {
            Ok(system) => {
                let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(duration_ms, "database available again");
                return Ok(system);
            }
            Err(error) if error.is_away() => {}
            Err(error) => return Err(error),
        }
    }
}

/// The role of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The API. It stops together with the deliveries.
    Api,
    /// The endpoints of a worker for monitoring. They stop after the deliveries.
    Admin,
}

/// Serves a router until the process is stopped or the system has failed, and then also stops the system,
/// within one drain timeout.
///
/// # Errors
///
/// Fails with the server's error, the database's error on closing, or if the system has failed.
pub async fn run(
    system: RdevWebhooks,
    listener: TcpListener,
    router: Router,
    (role, limits): (Role, ServeOptions),
    metrics: Metrics,
    shutdown: &Shutdown,
) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let ended = serve_until_stopped(system, listener, router, (role, limits), metrics, shutdown).await;
    let uptime_s = began.elapsed().as_secs();
    match &ended {
        Ok(()) => tracing::info!(uptime_s, "stopped"),
        Err(error) => tracing::error!(uptime_s, error = with_causes(&**error), "stopped after a failure"),
    }
    ended
}

async fn serve_until_stopped(
    system: RdevWebhooks,
    listener: TcpListener,
    router: Router,
    (role, mut limits): (Role, ServeOptions),
    metrics: Metrics,
    shutdown: &Shutdown,
) -> Result<(), Box<dyn Error>> {
    // Ends with this function.
    let mut measuring = JoinSet::new();
    measuring.spawn(metrics.upkeep());
    let (stop_requested, stopping) = (shutdown.stopping(), system.stopping());
    measuring.spawn(async move {
        stop_requested.cancelled().await;
        stopping.cancel();
    });
    let drain_timeout = shutdown.drain_timeout();
    let server_drain = match role {
        Role::Api => shutdown.drain(),
        Role::Admin => CancellationToken::new(),
    };
    limits.drain_timeout = match role {
        Role::Api => drain_timeout,
        Role::Admin => ADMIN_DRAIN,
    };
    let mut serving = tokio::spawn(serve(listener, router, server_drain.clone(), limits));
    let failed = system.failed();
    let ended_early = tokio::select! {
        () = shutdown.wait() => None,
        ended = &mut serving => Some(ended),
        () = failed.cancelled() => {
            shutdown.request();
            None
        }
    };
    let stop_by = Instant::now() + drain_timeout;
    match role {
        Role::Api => system.drain(),
        Role::Admin => system.finish(drain_timeout).await,
    }
    server_drain.cancel();
    let served = match ended_early {
        Some(ended) => ended,
        None => serving.await,
    };
    system.stop(stop_by.saturating_duration_since(Instant::now())).await?;
    served??;
    check(&failed)
}

/// Fails if an essential task has failed, by the token of the system that says so.
///
/// # Errors
///
/// Fails with a sentence for the end of the process.
pub fn check(failed: &CancellationToken) -> Result<(), Box<dyn Error>> {
    match failed.is_cancelled() {
        true => Err("an essential task has failed; the log says which".into()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rdev_webhooks::keyring::{EncryptionKey, Keyring};
    use rdev_webhooks::{Ambient, Database};

    use super::*;

    #[tokio::test]
    async fn a_process_whose_system_has_failed_stops_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::sqlite(folder.path().join("rdev.db"));
        let keyring = Keyring::new(EncryptionKey::generate(Ambient::system().entropy.bytes()));
        let system = RdevWebhooks::builder(database, keyring).open().await.unwrap();
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), "--bind").await.unwrap();
        let router = system.health_router(None);
        let shutdown = Shutdown::manual(Duration::from_secs(10));
        system.failed().cancel();
        let running = run(
            system,
            listener,
            router,
            (Role::Api, ServeOptions::default()),
            metrics().unwrap(),
            &shutdown,
        );
        let ended = tokio::time::timeout(Duration::from_secs(20), running).await.unwrap();
        assert!(ended.unwrap_err().to_string().contains("the log says which"));
        assert!(shutdown.drain().is_cancelled());
    }
}
