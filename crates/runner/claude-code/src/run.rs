//! A run that goes on: its output is read, and it is stopped when it has to be.

use std::future::pending;
use std::sync::OnceLock;
use std::time::Duration;

use rdev_runner_domain::ports::{EventSink, ExecBackend, ExecError};
use rdev_runner_domain::{AgentResult, ExecEnd, ExecState, Limits, Outcome, OutputStream, RunName, Timeout};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::watchdog::{Activity, EXIT_PATIENCE, Phase, Silence};
use crate::{ClaudeStream, End, input, invocation};

/// How long the agent may take to report a result after it was interrupted, before it gets SIGTERM.
pub const INTERRUPT_PATIENCE: Duration = Duration::from_secs(5);

/// How long a run may take to end after SIGTERM: the graces of its supervisor, and some more.
pub const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// How long a write to the agent's input may take. The agent reads at once, unless it hangs.
const WRITE_PATIENCE: Duration = Duration::from_secs(2);

/// How often in a row the output may be refused, and how long to wait after each time.
const MAX_READ_FAILURES: u32 = 60;
const READ_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The part of the standard error that is read, in bytes.
const STDERR_TAIL: usize = 16 * 1024;

/// A run that goes on.
pub(crate) struct Run<'a> {
    backend: &'a dyn ExecBackend,
    name: &'a RunName,
    limits: &'a Limits,
    cancelled: CancellationToken,
    /// Why the run was stopped.
    stopped: OnceLock<Outcome>,
    followed_at: Instant,
}

/// How far the result of a run is known.
pub(crate) enum Finding {
    Known(AgentResult),
    /// The run is lost, and its output has no result.
    Lost(AgentResult),
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        backend: &'a dyn ExecBackend,
        name: &'a RunName,
        limits: &'a Limits,
        cancelled: CancellationToken,
    ) -> Self {
        Self { backend, name, limits, cancelled, stopped: OnceLock::new(), followed_at: Instant::now() }
    }

    /// Follows the run to its end, and passes its events to `sink`, without the first `skipped`.
    pub(crate) async fn follow(
        &self,
        mut stream: ClaudeStream,
        skipped: u64,
        sink: &dyn EventSink,
    ) -> Finding {
        let (activity, watched) = watch::channel(Activity::starting());
        let read = tokio::select! {
            read = self.read(&mut stream, skipped, sink, activity) => read,
            () = self.guard(watched) => Ok(()),
        };
        let state = match read {
            Ok(()) => self.backend.status(self.name).await,
            Err(error) => Err(error),
        };
        self.finding(stream, state).await
    }

    /// Reads the output to its end.
    async fn read(
        &self,
        stream: &mut ClaudeStream,
        skipped: u64,
        sink: &dyn EventSink,
        activity: watch::Sender<Activity>,
    ) -> Result<(), ExecError> {
        let (mut offset, mut count) = (0, 0);
        let mut input_is_open = true;
        let mut finished_at = None;
        loop {
            let piece = self.next_output(offset).await?;
            offset += piece.len() as u64;
            let events = if piece.is_empty() { stream.finish() } else { stream.push(&piece) };
            activity.send_modify(|activity| activity.phase = Phase::Sink);
            let counted_before = count;
            for event in events {
                count += 1;
                if count > skipped {
                    sink.emit(event).await;
                }
            }
            if count > counted_before.max(skipped) {
                sink.checkpoint(count.to_string()).await;
            }
            if piece.is_empty() {
                return Ok(());
            }
            for question in stream.take_questions() {
                self.write(&input::deny(&question)).await;
            }
            if input_is_open && stream.is_finished() {
                input_is_open = false;
                self.close_input().await;
            }
            finished_at = stream.is_finished().then(|| finished_at.unwrap_or_else(Instant::now));
            activity.send_replace(Activity {
                phase: match (stream.is_finished(), stream.tool_is_running()) {
                    (true, _) => Phase::Exit,
                    (false, true) => Phase::Tool,
                    (false, false) => Phase::Model,
                },
                // What it says after its result gives it no more time.
                since: finished_at.unwrap_or_else(Instant::now),
                has_begun: stream.has_begun(),
                is_refused: stream.credentials_refused(),
            });
        }
    }

    /// Returns the next part of the output. A host that refuses it for a moment, because it has too many open
    /// files perhaps, must not end the run.
    async fn next_output(&self, offset: u64) -> Result<Vec<u8>, ExecError> {
        let mut failures = 0;
        loop {
            match self.backend.follow_output(self.name, OutputStream::Stdout, offset).await {
                Err(error @ ExecError::Host { .. }) if failures < MAX_READ_FAILURES => {
                    if failures == 0 {
                        tracing::warn!(run = %self.name, %error, "the output of a run cannot be read for now");
                    }
                    failures += 1;
                    sleep(READ_RETRY_INTERVAL).await;
                }
                output => return output,
            }
        }
    }

    /// Stops the run when it has to be stopped. Returns only if it does not end then.
    async fn guard(&self, mut watched: watch::Receiver<Activity>) {
        self.reason_to_stop(&mut watched).await;
        let activity = *watched.borrow();
        if activity.has_begun && activity.phase != Phase::Exit {
            self.write(&input::interrupt("rdev-interrupt")).await;
            let reported = watched.wait_for(|activity| activity.phase == Phase::Exit);
            let has_reported = matches!(timeout(INTERRUPT_PATIENCE, reported).await, Ok(Ok(_)));
            if has_reported {
                // The input is closed by now.
                sleep(EXIT_PATIENCE).await;
            }
        }
        // An error means that there is nothing to stop.
        let _ = self.backend.terminate(self.name).await;
        loop {
            sleep(STOP_PATIENCE).await;
            if watched.borrow().phase != Phase::Sink {
                return;
            }
        }
    }

    /// Waits until the run has to be stopped, and keeps the reason for the result.
    async fn reason_to_stop(&self, watched: &mut watch::Receiver<Activity>) {
        loop {
            let activity = *watched.borrow_and_update();
            if activity.is_refused {
                // The output says so.
                return;
            }
            let deadline = activity.deadline(self.limits);
            tokio::select! {
                () = self.cancelled.cancelled() => {
                    self.stopped.get_or_init(|| Outcome::Cancelled);
                    return;
                }
                silence = silence(deadline) => {
                    if let Silence::Timeout(timeout) = silence {
                        self.stopped.get_or_init(|| Outcome::TimedOut(timeout));
                    }
                    return;
                }
                changed = watched.changed() => if changed.is_err() {
                    // The output has ended.
                    pending::<()>().await;
                },
            }
        }
    }

    /// Writes to the input, if the agent reads it.
    async fn write(&self, line: &str) {
        let _ = timeout(WRITE_PATIENCE, self.backend.write_input(self.name, line.as_bytes())).await;
    }

    pub(crate) async fn close_input(&self) {
        let _ = timeout(WRITE_PATIENCE, self.backend.close_input(self.name)).await;
    }

    /// Returns the result of a run in this state.
    async fn finding(&self, stream: ClaudeStream, state: Result<ExecState, ExecError>) -> Finding {
        let stderr = self.backend.tail_output(self.name, OutputStream::Stderr, STDERR_TAIL).await;
        let stderr = String::from_utf8_lossy(&stderr.unwrap_or_default()).into_owned();
        match state {
            Ok(ExecState::Ended(end)) => {
                if end.left > 0 {
                    tracing::warn!(run = %self.name, left = end.left, "processes of a run could not be killed");
                }
                Finding::Known(stream.result(&self.end(end, stderr)))
            }
            Ok(ExecState::Lost) => {
                let is_known = stream.is_finished();
                let end =
                    End { duration: self.followed_at.elapsed(), ..self.end(ExecEnd::default(), stderr) };
                let result = stream.result(&end);
                if is_known {
                    return Finding::Known(result);
                }
                let detail = "The supervisor of the run was killed, or its pod is gone.".to_owned();
                Finding::Lost(AgentResult { outcome: Outcome::Lost, detail: Some(detail), ..result })
            }
            Ok(ExecState::Running) => {
                tracing::warn!(run = %self.name, "a run does not end");
                self.abandoned(stream, "The agent does not end.".to_owned())
            }
            Err(error) => {
                tracing::warn!(run = %self.name, %error, "the output of a run cannot be read");
                let _ = self.backend.terminate(self.name).await;
                self.abandoned(stream, format!("The output of the agent cannot be read: {error}"))
            }
        }
    }

    /// Returns the result of a run that is followed no more.
    fn abandoned(&self, stream: ClaudeStream, complaint: String) -> Finding {
        let end = End { duration: self.followed_at.elapsed(), ..self.end(ExecEnd::default(), complaint) };
        Finding::Known(stream.result(&end))
    }

    fn end(&self, end: ExecEnd, stderr: String) -> End {
        let timed_out = end.timed_out.then_some(Outcome::TimedOut(Timeout::Wall));
        let cancelled = self.cancelled.is_cancelled().then_some(Outcome::Cancelled);
        End {
            exit_code: end.exit_code,
            signal: end.signal,
            stopped: self.stopped.get().copied().or(timed_out).or(cancelled),
            stderr: end.start_error.map_or(stderr, |error| {
                format!("Claude Code could not be started: {error}. {}", invocation::INSTALL)
            }),
            duration: end.duration,
        }
    }
}

async fn silence(deadline: Option<(Instant, Silence)>) -> Silence {
    match deadline {
        Some((at, silence)) => {
            sleep_until(at).await;
            silence
        }
        None => pending().await,
    }
}
