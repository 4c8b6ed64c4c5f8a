//! Stopping in two steps: drain, and if that takes too long, abort.

use std::future::{Future, pending};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::telemetry::{self, milliseconds};

/// Tells every part of a process when to stop.
///
/// 1. `SIGTERM`, `SIGINT` or [`request`](Self::request) cancels [`drain`](Self::drain): take
///    nothing new, finish what is in flight.
/// 2. When the drain timeout has passed, [`abort`](Self::abort) is cancelled too: let go of the rest
///    now. `abort` is never cancelled before `drain`.
/// 3. A second signal, at any time after the first, ends the process at once: exit code 143 for
///    `SIGTERM`, 130 for `SIGINT`.
///
/// A process that has stopped in steps 1 or 2 exits 0: it did what it was told.
///
/// Clones share the same state. `main` keeps one until it returns: once the last is dropped nobody
/// heeds the signals.
#[derive(Clone, Debug)]
pub struct Shutdown {
    drain: CancellationToken,
    abort: CancellationToken,
    drain_timeout: Duration,
    _supervisor: Arc<AbortOnDropHandle<()>>,
}

impl Shutdown {
    /// Listens for the process's signals from now on.
    ///
    /// # Errors
    /// If the system does not let the process listen.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn install(drain_timeout: Duration) -> io::Result<Self> {
        let signals = ProcessSignals {
            interrupt: unix::signal(unix::SignalKind::interrupt())?,
            terminate: unix::signal(unix::SignalKind::terminate())?,
        };
        Ok(Self::start(drain_timeout, |drain, abort| async move {
            let second = supervise(signals, drain, abort, drain_timeout).await;
            tracing::warn!(signal = second.name(), "second signal: exiting at once");
            telemetry::flush();
            std::process::exit(second.exit_code())
        }))
    }

    /// Heeds no signal, only [`request`](Self::request): for tests, and for a process whose host
    /// handles the signals.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn manual(drain_timeout: Duration) -> Self {
        Self::start(drain_timeout, |drain, abort| async move {
            supervise(NoSignals, drain, abort, drain_timeout).await;
        })
    }

    fn start<F>(
        drain_timeout: Duration,
        supervisor: impl FnOnce(CancellationToken, CancellationToken) -> F,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (drain, abort) = (CancellationToken::new(), CancellationToken::new());
        let task = tokio::spawn(supervisor(drain.clone(), abort.clone()));
        Self { drain, abort, drain_timeout, _supervisor: Arc::new(AbortOnDropHandle::new(task)) }
    }

    /// Begins to stop, as the first signal would; for when a part that the process cannot do
    /// without has ended. Again, it does nothing.
    pub fn request(&self) {
        self.drain.cancel();
    }

    /// Cancelled when the process is to finish what is in flight.
    pub fn drain(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Cancelled when the process is to end without finishing.
    pub fn abort(&self) -> CancellationToken {
        self.abort.clone()
    }

    /// The time between the two.
    pub fn drain_timeout(&self) -> Duration {
        self.drain_timeout
    }

    /// Waits until the process is to drain.
    pub async fn wait(&self) {
        self.drain.cancelled().await;
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

    /// What a shell reports for a process that this signal killed: 128 and the signal's number.
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

/// Sees a process through its stop; ends with the second signal, if one comes.
async fn supervise(
    mut signals: impl SignalSource,
    drain: CancellationToken,
    abort: CancellationToken,
    drain_timeout: Duration,
) -> Signal {
    let reason = tokio::select! {
        signal = signals.next() => signal.name(),
        () = drain.cancelled() => "a request from within",
    };
    let drain_timeout_ms = milliseconds(drain_timeout);
    tracing::info!(reason, drain_timeout_ms, "draining");
    drain.cancel();

    tokio::select! {
        signal = signals.next() => return signal,
        () = tokio::time::sleep(drain_timeout) => {}
    }
    tracing::warn!(drain_timeout_ms, "the drain timeout has passed: letting go of the rest");
    abort.cancel();

    signals.next().await
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, advance};

    use super::*;

    const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

    impl SignalSource for mpsc::UnboundedReceiver<Signal> {
        async fn next(&mut self) -> Signal {
            match self.recv().await {
                Some(signal) => signal,
                None => pending().await,
            }
        }
    }

    struct Process {
        signals: mpsc::UnboundedSender<Signal>,
        drain: CancellationToken,
        abort: CancellationToken,
        ended: JoinHandle<Signal>,
    }

    fn process() -> Process {
        let (signals, received) = mpsc::unbounded_channel();
        let (drain, abort) = (CancellationToken::new(), CancellationToken::new());
        let ended = tokio::spawn(supervise(received, drain.clone(), abort.clone(), DRAIN_TIMEOUT));
        Process { signals, drain, abort, ended }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_stops_before_it_is_asked_to() {
        let process = process();
        let days = tokio::time::timeout(DRAIN_TIMEOUT * 10_000, process.drain.cancelled()).await;
        assert!(days.is_err());
        assert!(!process.abort.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_drains_and_after_the_drain_timeout_aborts() {
        for signal in [Signal::Terminate, Signal::Interrupt] {
            let process = process();
            let asked_at = Instant::now();
            process.signals.send(signal).unwrap();
            process.drain.cancelled().await;
            assert_eq!(asked_at.elapsed(), Duration::ZERO);
            assert!(!process.abort.is_cancelled());

            process.abort.cancelled().await;
            // Tokio's timer counts whole milliseconds.
            let took = asked_at.elapsed();
            assert!(took >= DRAIN_TIMEOUT, "{took:?}");
            assert!(took <= DRAIN_TIMEOUT + Duration::from_millis(2), "{took:?}");
            assert!(!process.ended.is_finished());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_while_draining_ends_at_once_without_aborting() {
        let process = process();
        process.signals.send(Signal::Terminate).unwrap();
        process.drain.cancelled().await;
        advance(Duration::from_secs(1)).await;
        let asked_at = Instant::now();
        process.signals.send(Signal::Interrupt).unwrap();
        assert_eq!(process.ended.await.unwrap(), Signal::Interrupt);
        assert_eq!(asked_at.elapsed(), Duration::ZERO);
        assert!(!process.abort.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_ends_a_process_that_hangs_after_the_abort() {
        let process = process();
        process.signals.send(Signal::Interrupt).unwrap();
        process.abort.cancelled().await;
        process.signals.send(Signal::Terminate).unwrap();
        assert_eq!(process.ended.await.unwrap(), Signal::Terminate);
    }

    #[test]
    fn a_second_signal_has_the_exit_code_a_shell_would_report() {
        assert_eq!(Signal::Interrupt.exit_code(), 130);
        assert_eq!(Signal::Terminate.exit_code(), 143);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_from_within_drains_and_then_aborts() {
        let shutdown = Shutdown::manual(DRAIN_TIMEOUT);
        let clone = shutdown.clone();
        let waiter = tokio::spawn(async move { clone.wait().await });
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());

        shutdown.request();
        waiter.await.unwrap();
        assert!(!shutdown.abort().is_cancelled());
        shutdown.abort().cancelled().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_timeout_of_zero_aborts_at_once() {
        let shutdown = Shutdown::manual(Duration::ZERO);
        let asked_at = Instant::now();
        shutdown.request();
        shutdown.abort().cancelled().await;
        assert!(asked_at.elapsed() <= Duration::from_millis(2));
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_last_handle_ends_the_supervisor() {
        let shutdown = Shutdown::manual(DRAIN_TIMEOUT);
        let (drain, abort) = (shutdown.drain(), shutdown.abort());
        drop(shutdown);
        drain.cancel();
        let aborted = tokio::time::timeout(DRAIN_TIMEOUT * 2, abort.cancelled()).await;
        assert!(aborted.is_err());
    }
}
