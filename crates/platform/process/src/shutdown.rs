//! Shutdown in steps: announce it, drain, and if that takes too long, abort.

use std::future::{Future, pending};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::telemetry::{self, milliseconds};

/// Signals every part of a process when to stop.
///
/// 1. `SIGTERM` or `SIGINT` cancels [`stopping`](Self::stopping): continue, but report that this process is
///    no longer ready.
/// 2. After the grace period, or at once after [`request`](Self::request), [`drain`](Self::drain) is
///    cancelled: accept no new work, and finish the work in flight.
/// 3. After the drain timeout, [`abort`](Self::abort) is cancelled too: abandon the rest now. `abort` is
///    never cancelled before `drain`, and `drain` never before `stopping`.
/// 4. A second signal, at any time after the first, ends the process at once: exit code 143 for `SIGTERM`,
///    130 for `SIGINT`.
///
/// A process that stops in steps 2 or 3 exits with 0, because it did what was requested.
///
/// Clones share the same state. `main` keeps one until it returns: once the last is dropped, signals have no
/// effect.
#[derive(Clone, Debug)]
pub struct Shutdown {
    steps: Steps,
    times: StopTimes,
    _supervisor: Arc<AbortOnDropHandle<()>>,
}

/// The durations of the steps of a shutdown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StopTimes {
    /// The time from the first signal to the drain, during which the process continues.
    pub grace: Duration,
    /// The longest duration of the drain.
    pub drain_timeout: Duration,
}

/// A shutdown without a grace period.
impl From<Duration> for StopTimes {
    fn from(drain_timeout: Duration) -> Self {
        Self { grace: Duration::ZERO, drain_timeout }
    }
}

/// The tokens of the steps, in the order of their cancellation.
#[derive(Clone, Debug, Default)]
struct Steps {
    stopping: CancellationToken,
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Shutdown {
    /// Starts to listen for the process's signals.
    ///
    /// # Errors
    /// Fails if the system does not let the process listen.
    ///
    /// # Panics
    /// Panics outside a Tokio runtime.
    pub fn install(times: impl Into<StopTimes>) -> io::Result<Self> {
        let times = times.into();
        let signals = ProcessSignals {
            interrupt: unix::signal(unix::SignalKind::interrupt())?,
            terminate: unix::signal(unix::SignalKind::terminate())?,
        };
        Ok(Self::start(times, |steps| async move {
            let second = supervise(signals, steps, times).await;
            tracing::warn!(signal = second.name(), "second signal received; exiting at once");
            telemetry::flush();
            std::process::exit(second.exit_code())
        }))
    }

    /// Listens for no signals and reacts only to [`request`](Self::request): for tests, and for a process
    /// whose host handles the signals.
    ///
    /// # Panics
    /// Panics outside a Tokio runtime.
    pub fn manual(times: impl Into<StopTimes>) -> Self {
        let times = times.into();
        Self::start(times, |steps| async move {
            supervise(NoSignals, steps, times).await;
        })
    }

    fn start<F>(times: StopTimes, supervisor: impl FnOnce(Steps) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let steps = Steps::default();
        let task = tokio::spawn(supervisor(steps.clone()));
        Self { steps, times, _supervisor: Arc::new(AbortOnDropHandle::new(task)) }
    }

    /// Starts to drain, without the grace period, for example when a part that the process needs has ended.
    /// Further calls do nothing.
    pub fn request(&self) {
        self.steps.stopping.cancel();
        self.steps.drain.cancel();
    }

    /// Returns the token that is cancelled when the process is no longer ready, although it continues.
    pub fn stopping(&self) -> CancellationToken {
        self.steps.stopping.clone()
    }

    /// Returns the token that is cancelled when the process must finish its work in flight.
    pub fn drain(&self) -> CancellationToken {
        self.steps.drain.clone()
    }

    /// Returns the token that is cancelled when the process must end without finishing.
    pub fn abort(&self) -> CancellationToken {
        self.steps.abort.clone()
    }

    /// Returns the time between drain and abort.
    pub fn drain_timeout(&self) -> Duration {
        self.times.drain_timeout
    }

    /// Waits until the process must drain.
    pub async fn wait(&self) {
        self.steps.drain.cancelled().await;
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Signal {
    Interrupt,
    Terminate,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// Returns the exit code that a shell reports for a process killed by this signal: 128 plus the signal's
    /// number.
    fn exit_code(self) -> i32 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

trait SignalSource: Send {
    fn next(&mut self) -> impl Future<Output = Signal> + Send;
}

struct ProcessSignals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl SignalSource for ProcessSignals {
    async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Signal::Interrupt,
            Some(()) = self.terminate.recv() => Signal::Terminate,
            else => pending().await,
        }
    }
}

struct NoSignals;

impl SignalSource for NoSignals {
    async fn next(&mut self) -> Signal {
        pending().await
    }
}

/// Takes a process through its shutdown. Ends with the second signal, if one arrives.
async fn supervise(mut signals: impl SignalSource, steps: Steps, times: StopTimes) -> Signal {
    let reason = tokio::select! {
        signal = signals.next() => signal.name(),
        () = steps.drain.cancelled() => "internal request",
    };
    steps.stopping.cancel();
    if !times.grace.is_zero() && !steps.drain.is_cancelled() {
        tracing::info!(reason, grace_ms = milliseconds(times.grace), "stopping; no longer ready");
        tokio::select! {
            signal = signals.next() => return signal,
            () = steps.drain.cancelled() => {}
            () = tokio::time::sleep(times.grace) => {}
        }
    }
    let drain_timeout = times.drain_timeout;
    let drain_timeout_ms = milliseconds(drain_timeout);
    tracing::info!(reason, drain_timeout_ms, "draining");
    steps.drain.cancel();

    tokio::select! {
        signal = signals.next() => return signal,
        () = tokio::time::sleep(drain_timeout) => {}
    }
    tracing::warn!(drain_timeout_ms, "drain timeout passed; abandoning remaining work");
    steps.abort.cancel();

    signals.next().await
}

#[cfg(test)]
#[path = "shutdown_tests.rs"]
mod tests;
