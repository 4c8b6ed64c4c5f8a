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
    stopping: CancellationToken,
    drain: CancellationToken,
    abort: CancellationToken,
    ended: JoinHandle<Signal>,
}

fn process() -> Process {
    process_with(DRAIN_TIMEOUT.into())
}

fn process_with(times: StopTimes) -> Process {
    let (signals, received) = mpsc::unbounded_channel();
    let steps = Steps::default();
    let Steps { stopping, drain, abort } = steps.clone();
    let ended = tokio::spawn(supervise(received, steps, times));
    Process { signals, stopping, drain, abort, ended }
}

#[tokio::test(start_paused = true)]
async fn the_drain_waits_for_the_grace() {
    let grace = Duration::from_secs(7);
    let process = process_with(StopTimes { grace, drain_timeout: DRAIN_TIMEOUT });
    let asked_at = Instant::now();
    process.signals.send(Signal::Terminate).unwrap();
    process.stopping.cancelled().await;
    assert_eq!(asked_at.elapsed(), Duration::ZERO);
    process.drain.cancelled().await;
    assert!(asked_at.elapsed() >= grace, "{:?}", asked_at.elapsed());
    assert!(!process.abort.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_request_or_a_second_signal_ends_the_grace() {
    let times = StopTimes { grace: Duration::from_secs(7), drain_timeout: DRAIN_TIMEOUT };
    let process = process_with(times);
    let asked_at = Instant::now();
    process.signals.send(Signal::Terminate).unwrap();
    process.stopping.cancelled().await;
    process.signals.send(Signal::Interrupt).unwrap();
    assert_eq!(process.ended.await.unwrap(), Signal::Interrupt);

    let shutdown = Shutdown::manual(times);
    shutdown.request();
    shutdown.wait().await;
    assert!(shutdown.stopping().is_cancelled());
    assert_eq!(asked_at.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn nothing_stops_before_a_request() {
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
