//! A run: one turn in a session.

mod requests;

use std::time::Duration;

use rdev_runner_domain::ports::EventSink;
use rdev_runner_domain::{AgentEventKind, AgentRequest, AgentResult, FailureReason, Outcome, Usage};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::client::{Client, EventStream, REQUEST_TIMEOUT};
use crate::decoder::ServerEvent;
use crate::error::RequestError;
use crate::turn::{Ending, Stop, Turn, outcome};

/// How often a turn is looked at without any occasion: an event that says that it has ended may be lost.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// How long a turn may take to end after an abort. A message of a server that died stays open for ever.
pub const ABORT_PATIENCE: Duration = Duration::from_secs(10);

/// How long the stream of events may take to open again. A server that was started again has another address.
pub const RECONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// How many failed requests to the model in a row end a turn. OpenCode itself has no bound.
pub const MAX_RETRIES: u32 = 5;

/// How many answers in a row that the agent cannot read end a turn. OpenCode asks again without end, some 15
/// times a second.
pub const MAX_UNREADABLE_ANSWERS: u32 = 3;

/// How soon a turn is looked at again that should have ended.
const RECHECK_INTERVAL: Duration = Duration::from_millis(100);

/// How long the stream of events must be silent after the end, so that every event has arrived.
const SILENCE: Duration = Duration::from_millis(100);

pub(crate) struct Run<'a> {
    client: &'a Client,
    request: &'a AgentRequest,
    sink: &'a dyn EventSink,
    cancelled: CancellationToken,
    started_at: Instant,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        client: &'a Client,
        request: &'a AgentRequest,
        sink: &'a dyn EventSink,
        cancelled: CancellationToken,
    ) -> Self {
        Self { client, request, sink, cancelled, started_at: Instant::now() }
    }

    /// Runs to the end.
    pub(crate) async fn play(self) -> AgentResult {
        // The stream is opened before the prompt is sent, so that it has all of its events.
        let opened = self.cancelled.run_until_cancelled(self.open()).await;
        let (session, mut turn, stream) = match opened {
            Some(Ok(opened)) => opened,
            Some(Err(stop)) => return self.result(None, None, stop),
            None => return self.result(None, None, Stop { outcome: Outcome::Cancelled, detail: None }),
        };
        if let Ok(session) = session.parse() {
            self.sink.emit(AgentEventKind::SessionStarted { session, model: None }).await;
        }
        // A cancellation waits for the answer: an abort that overtakes the prompt has no effect.
        let prompted = match self.cancelled.is_cancelled() {
            true => Err(Stop { outcome: Outcome::Cancelled, detail: None }),
            false => self.prompt(&session).await,
        };
        let (ending, stop) = match prompted {
            Ok(()) => self.follow(&session, &mut turn, stream).await,
            Err(stop) => (Ending::default(), Some(stop)),
        };
        let (outcome, detail) = outcome(&turn, &ending, stop);
        self.result(Some(session), Some((&turn, ending.text)), Stop { outcome, detail })
    }

    /// Follows the turn to its end.
    async fn follow(&self, session: &str, turn: &mut Turn, stream: EventStream) -> (Ending, Option<Stop>) {
        let mut stream = stream;
        let mut stop: Option<Stop> = None;
        let mut give_up_at = None;
        let mut check_at = Instant::now() + CHECK_INTERVAL;
        loop {
            let deadline = give_up_at.unwrap_or(check_at);
            tokio::select! {
                event = stream.next() => match event {
                    Some(event) => self.take(event, turn).await,
                    None => match self.reconnect(turn).await {
                        Ok(reopened) => {
                            stream = reopened;
                            check_at = Instant::now();
                        }
                        Err(error) => {
                            let gone = Stop {
                                outcome: Outcome::Failed(FailureReason::NoResult),
                                detail: Some(format!("The OpenCode server is gone: {error}")),
                            };
                            return (Ending::default(), Some(stop.unwrap_or(gone)));
                        }
                    },
                },
                () = self.cancelled.cancelled(), if stop.is_none() => {
                    stop = Some(Stop { outcome: Outcome::Cancelled, detail: None });
                }
                () = sleep_until(check_at) => {}
                () = sleep_until(deadline), if give_up_at.is_some() => return (Ending::default(), stop),
            }
            if turn.has_missed_events() {
                self.catch_up(turn).await;
            }
            self.deny(turn.take_questions()).await;
            stop = stop.or_else(|| self.excess(turn));
            if stop.is_some() && give_up_at.is_none() {
                // The answer may be lost, and then the turn is looked at again.
                self.abort(session).await;
                give_up_at = Some(Instant::now() + ABORT_PATIENCE);
                check_at = Instant::now();
            }
            let hint = turn.take_hint();
            if hint || check_at <= Instant::now() {
                if let Some(ending) = self.ending(session, turn, stop.is_some()).await {
                    self.drain(turn, &mut stream).await;
                    return (ending, stop);
                }
                let is_near = hint || stop.is_some();
                check_at = Instant::now() + if is_near { RECHECK_INTERVAL } else { CHECK_INTERVAL };
            }
        }
    }

    /// Returns why the turn must be stopped, if it goes beyond its bounds.
    fn excess(&self, turn: &Turn) -> Option<Stop> {
        let max_turns = self.request.limits().max_turns();
        let (reason, detail) = if max_turns.is_some_and(|most| turn.continues_after(most)) {
            (FailureReason::MaxTurns, "The agent needed more turns than its limit.")
        } else if turn.retries() >= MAX_RETRIES {
            (FailureReason::ApiError, "The API of the model failed again and again.")
        } else if turn.unreadable_answers() >= MAX_UNREADABLE_ANSWERS {
            (FailureReason::ApiError, "The agent could not read the answers of the model.")
        } else {
            return None;
        };
        Some(Stop { outcome: Outcome::Failed(reason), detail: Some(detail.to_owned()) })
    }

    async fn take(&self, event: ServerEvent, turn: &mut Turn) {
        match event {
            ServerEvent::Data(data) => self.emit(turn.read(&data)).await,
            ServerEvent::TooLong => {
                let message = "An event was dropped, because it is too long.".to_owned();
                self.sink.emit(AgentEventKind::Warning { message }).await;
            }
        }
    }

    async fn emit(&self, events: Vec<AgentEventKind>) {
        for event in events {
            self.sink.emit(event).await;
        }
    }

    /// Takes the events that were on their way when the turn ended.
    async fn drain(&self, turn: &mut Turn, stream: &mut EventStream) {
        let until = Instant::now() + 10 * SILENCE;
        while Instant::now() < until
            && let Ok(Some(event)) = timeout(SILENCE, stream.next()).await
        {
            self.take(event, turn).await;
        }
        if turn.has_missed_events() {
            self.catch_up(turn).await;
        }
    }

    /// Opens the stream of events again, and takes the events that it missed.
    async fn reconnect(&self, turn: &mut Turn) -> Result<EventStream, RequestError> {
        let until = Instant::now() + RECONNECT_PATIENCE;
        let mut wait = RECHECK_INTERVAL;
        loop {
            match self.client.events(REQUEST_TIMEOUT).await {
                Ok(stream) => {
                    self.catch_up(turn).await;
                    return Ok(stream);
                }
                Err(error) if Instant::now() + wait > until => return Err(error),
                Err(_) => tokio::time::sleep(wait).await,
            }
            wait = (2 * wait).min(Duration::from_secs(2));
        }
    }

    fn result(&self, session: Option<String>, turn: Option<(&Turn, String)>, end: Stop) -> AgentResult {
        let (known, text) = turn.map_or((None, String::new()), |(turn, text)| (Some(turn), text));
        AgentResult {
            outcome: end.outcome,
            detail: end.detail,
            exit_code: None,
            duration: self.started_at.elapsed(),
            session: session.and_then(|session| session.parse().ok()),
            text,
            usage: known.map_or_else(Usage::default, Turn::usage),
            cost: known.and_then(Turn::cost),
            denials: known.map_or_else(Vec::new, |turn| turn.denials().to_vec()),
        }
    }
}
