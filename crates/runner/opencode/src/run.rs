//! A run: one turn in a session of a server.

mod follow;
mod requests;

use std::time::Duration;

use rdev_runner_domain::ports::EventSink;
use rdev_runner_domain::{
    AgentEventKind, AgentRequest, AgentResult, AgentRun, FailureReason, Outcome, Timeout, Timestamp, Usage,
};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

pub use follow::{ABORT_PATIENCE, CHECK_INTERVAL, MAX_RETRIES, MAX_UNREADABLE_ANSWERS, RECONNECT_PATIENCE};

use crate::checkpoint::Checkpoint;
use crate::client::{Client, EventStream, OPENING_TIMEOUT};
use crate::records::RunRecord;
use crate::servers::{Entered, Fate, PLACE_INTERVAL, PLACE_PATIENCE, RunningServer, Servers};
use crate::turn::{Ending, Stop, Turn, outcome};
use crate::watchdog::timed_out;

/// A run.
pub(crate) struct Run<'a> {
    run: &'a AgentRun,
    sink: &'a dyn EventSink,
    cancelled: CancellationToken,
    now_ms: i64,
    began_at: Instant,
}

/// A run with its server.
struct Conversation<'a> {
    run: &'a Run<'a>,
    server: &'a RunningServer,
    client: Client,
}

/// The end of a run.
struct End {
    ending: Ending,
    stop: Option<Stop>,
    /// Whether the session works on nothing any more.
    has_ended: bool,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        run: &'a AgentRun,
        sink: &'a dyn EventSink,
        cancelled: CancellationToken,
        now: Timestamp,
    ) -> Self {
        Self { run, sink, cancelled, now_ms: now.as_micros() / 1_000, began_at: Instant::now() }
    }

    fn request(&self) -> &'a AgentRequest {
        &self.run.request
    }

    /// Runs to the end.
    pub(crate) async fn execute(&self, servers: &Servers) -> AgentResult {
        let mut entered = match self.within_start(servers.enter(self.run)).await {
            Ok(Ok(entered)) => entered,
            Ok(Err(reason)) => {
                let detail = format!("The OpenCode server could not be started: {reason}");
                return self.result(None, None, failed(FailureReason::StartFailed, detail));
            }
            Err(stop) => return self.result(None, None, stop),
        };
        let conversation = Conversation::new(self, entered.server());
        // The stream is opened before the prompt is sent, so that it has all of its events.
        let opened = match self.within_start(conversation.open()).await {
            Ok(opened) => opened,
            Err(stop) => Err(stop),
        };
        let (record, stream) = match opened {
            Ok(opened) => opened,
            Err(stop) => return self.result(None, None, stop),
        };
        match self.within_start(servers.keep_run(self.run.command_id(), &record)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let detail = format!("The run could not be recorded: {error}");
                return self.result(None, None, failed(FailureReason::StartFailed, detail));
            }
            Err(stop) => return self.result(None, None, stop),
        }
        drop(conversation);
        entered.begin();
        let conversation = Conversation::new(self, entered.server());
        let mut turn = Turn::new(&record, None);
        self.start_session(&turn).await;
        let end = conversation.begin(&mut turn, stream).await;
        self.finish(entered, &turn, end).await
    }

    /// Continues to the end. `None` if nothing is known of the run.
    pub(crate) async fn attach(
        mut self,
        servers: &Servers,
        record: RunRecord,
        checkpoint: Option<Checkpoint>,
    ) -> Option<AgentResult> {
        let earlier = u64::try_from(self.now_ms - record.started_ms).unwrap_or(0);
        let earlier = Duration::from_millis(earlier);
        self.began_at = self.began_at.checked_sub(earlier).unwrap_or(self.began_at);
        let is_new = checkpoint.is_none();
        let mut turn = Turn::new(&record, checkpoint);
        let (entered, fate) = match self.enter_again(servers, &record.server).await? {
            Ok(entered) => (Ok(entered), None),
            Err(fate @ (Fate::Unknown(_) | Fate::Forbidden(_))) => (Err(fate.to_string()), Some(fate)),
            // It has left what it stored, and another one finds that.
            Err(fate) => (servers.enter(self.run).await, Some(fate)),
        };
        let entered = match entered {
            Ok(entered) => entered,
            Err(error) => {
                let stop = if self.cancelled.is_cancelled() {
                    Stop { outcome: Outcome::Cancelled, detail: None }
                } else {
                    gone(&fate.unwrap_or(Fate::Ended(error)))
                };
                return Some(self.result(None, Some((&turn, String::new())), stop));
            }
        };
        if is_new {
            self.start_session(&turn).await;
        }
        let conversation = Conversation::new(&self, entered.server());
        let end = match conversation.catch_up_from_start(&mut turn).await {
            Err(stop) => End { ending: Ending::default(), stop: Some(stop), has_ended: fate.is_some() },
            Ok(stream) => match fate {
                // It may have ended.
                None if turn.has_prompt() => conversation.follow(&mut turn, stream, Instant::now()).await,
                // The runner died before it sent the prompt.
                None => conversation.begin(&mut turn, stream).await,
                Some(fate) => match conversation.ending(&turn, false).await {
                    Some(ending) => End { ending, stop: None, has_ended: true },
                    None => End { ending: Ending::default(), stop: Some(gone(&fate)), has_ended: true },
                },
            },
        };
        Some(self.finish(entered, &turn, end).await)
    }

    /// Enters the server in which the run is. Waits for a place that cannot be reached for now.
    async fn enter_again(&self, servers: &Servers, server: &str) -> Option<Result<Entered, Fate>> {
        let until = Instant::now() + PLACE_PATIENCE;
        loop {
            match servers.enter_again(server, self.run.command_id()).await? {
                Err(Fate::Unknown(_)) if !self.cancelled.is_cancelled() && Instant::now() < until => {
                    sleep(PLACE_INTERVAL).await;
                }
                entered => return Some(entered),
            }
        }
    }

    async fn finish(&self, entered: Entered, turn: &Turn, end: End) -> AgentResult {
        entered.leave(end.has_ended).await;
        let (outcome, detail) = outcome(turn, &end.ending, end.stop);
        self.result(Some(turn.session()), Some((turn, end.ending.text)), Stop { outcome, detail })
    }

    /// Reports the session, from which on the run can be continued.
    async fn start_session(&self, turn: &Turn) {
        if let Ok(session) = turn.session().parse() {
            self.sink.emit(AgentEventKind::SessionStarted { session, model: None }).await;
        }
        self.sink.checkpoint(turn.checkpoint().write()).await;
    }

    /// Waits for a part of the start: no longer than its limit, and not after a cancellation.
    async fn within_start<T>(&self, step: impl Future<Output = T>) -> Result<T, Stop> {
        let (at, kind) = self.start_limit();
        tokio::select! {
            biased;
            () = self.cancelled.cancelled() => Err(Stop { outcome: Outcome::Cancelled, detail: None }),
            done = step => Ok(done),
            () = sleep_until(at) => Err(timed_out(kind, self.request().limits())),
        }
    }

    fn start_limit(&self) -> (Instant, Timeout) {
        let limits = self.request().limits();
        let shortest = [Timeout::Start, Timeout::Wall].into_iter().min_by_key(|kind| limits.timeout(*kind));
        let kind = shortest.unwrap_or(Timeout::Start);
        (self.began_at + limits.timeout(kind), kind)
    }

    fn result(&self, session: Option<&str>, turn: Option<(&Turn, String)>, end: Stop) -> AgentResult {
        let (known, text) = turn.map_or((None, String::new()), |(turn, text)| (Some(turn), text));
        let session = session.or(known.map(Turn::session));
        AgentResult {
            outcome: end.outcome,
            detail: end.detail,
            exit_code: None,
            duration: self.began_at.elapsed(),
            session: session.and_then(|session| session.parse().ok()),
            text,
            usage: known.map_or_else(Usage::default, Turn::usage),
            cost: known.and_then(Turn::cost),
            denials: known.map_or_else(Vec::new, |turn| turn.denials().to_vec()),
            changes: None,
        }
    }
}

impl<'a> Conversation<'a> {
    fn new(run: &'a Run<'a>, server: &'a RunningServer) -> Self {
        Self { run, server, client: server.client(&run.run.secrets) }
    }

    /// Sends the prompt, and follows the turn to its end.
    async fn begin(&self, turn: &mut Turn, stream: EventStream) -> End {
        match self.prompt_in_time(turn.session()).await {
            Ok(()) => self.follow(turn, stream, Instant::now() + CHECK_INTERVAL).await,
            Err(end) => *end,
        }
    }

    /// Sends the prompt within the limit of the start. A cancellation waits for the answer: an abort that
    /// overtakes the prompt has no effect.
    async fn prompt_in_time(&self, session: &str) -> Result<(), Box<End>> {
        let end =
            |stop, has_ended| Err(Box::new(End { ending: Ending::default(), stop: Some(stop), has_ended }));
        if self.run.cancelled.is_cancelled() {
            return end(Stop { outcome: Outcome::Cancelled, detail: None }, true);
        }
        let (at, kind) = self.run.start_limit();
        match tokio::time::timeout_at(at, self.prompt(session)).await {
            Ok(Ok(())) => Ok(()),
            // The server may have taken it all the same.
            Ok(Err((stop, is_refused))) => end(stop, is_refused),
            Err(_) => end(timed_out(kind, self.run.request().limits()), false),
        }
    }

    /// Opens the stream of events, and takes what happened before.
    async fn catch_up_from_start(&self, turn: &mut Turn) -> Result<EventStream, Stop> {
        let unreachable = |error: &crate::error::RequestError| {
            let detail = format!("The OpenCode server does not say what became of the run: {error}");
            failed(FailureReason::NoResult, detail)
        };
        let stream = self.client.events(OPENING_TIMEOUT).await.map_err(|error| unreachable(&error))?;
        let history = self.history(turn).await.map_err(|error| unreachable(&error))?;
        self.take_history(turn, &history).await;
        self.deny_pending(turn).await;
        Ok(stream)
    }
}

/// Returns the end of a run whose server is gone.
fn gone(fate: &Fate) -> Stop {
    let detail = format!("The OpenCode server is gone: {fate}");
    match fate {
        Fate::Lost => Stop { outcome: Outcome::Lost, detail: Some(detail) },
        Fate::Ended(_) | Fate::Unknown(_) | Fate::Forbidden(_) => failed(FailureReason::NoResult, detail),
    }
}

fn failed(reason: FailureReason, detail: String) -> Stop {
    Stop { outcome: Outcome::Failed(reason), detail: Some(detail) }
}
