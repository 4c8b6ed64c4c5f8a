//! The course of a turn, from the prompt to its end.

use std::time::Duration;

use rdev_runner_domain::{AgentEventKind, FailureReason, Outcome};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{Conversation, End, failed, gone};
use crate::client::{EventStream, REQUEST_TIMEOUT};
use crate::decoder::ServerEvent;
use crate::servers::{Fate, PLACE_PATIENCE};
use crate::turn::{Ending, Stop, Turn};
use crate::watchdog::{Watchdog, timed_out};

/// How often a turn is looked at without any occasion: an event that says that it has ended may be lost.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// How long a turn may take to end after an abort. Then its server is stopped, if no other run is in it.
pub const ABORT_PATIENCE: Duration = Duration::from_secs(10);

/// How long the stream of events may take to open again while the server runs.
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

impl Conversation<'_> {
    /// Follows the turn to its end. It is looked at for the first time at `check_at`.
    pub(super) async fn follow(
        &self,
        turn: &mut Turn,
        mut stream: EventStream,
        mut check_at: Instant,
    ) -> End {
        let limits = self.run.request().limits();
        let mut watchdog = Watchdog::new(limits, self.run.began_at);
        let mut stop: Option<Stop> = None;
        let mut give_up_at: Option<Instant> = None;
        loop {
            let limit_at = give_up_at.unwrap_or_else(|| watchdog.next(turn.has_running_tool()).0);
            tokio::select! {
                biased;
                () = self.run.cancelled.cancelled(), if stop.is_none() => {
                    stop = Some(Stop { outcome: Outcome::Cancelled, detail: None });
                }
                event = stream.next() => match event {
                    Some(event) => self.take(event, turn).await,
                    None => match self.reconnect(turn, &watchdog).await {
                        Ok(reopened) => {
                            stream = reopened;
                            check_at = Instant::now();
                        }
                        Err(gone) => {
                            let ending = Ending::default();
                            return End { ending, stop: Some(stop.unwrap_or(gone)), has_ended: false };
                        }
                    },
                },
                () = sleep_until(check_at.min(limit_at)) => {}
            }
            if turn.has_missed_events() {
                self.catch_up(turn).await;
            }
            self.deny(turn.take_questions()).await;
            if turn.take_sign_of_life() {
                watchdog.active();
            }
            stop = stop.or_else(|| self.excess(turn));
            stop = stop
                .or_else(|| watchdog.exceeded(turn.has_running_tool()).map(|kind| timed_out(kind, limits)));
            if give_up_at.is_some_and(|at| at <= Instant::now()) {
                return End { ending: Ending::default(), stop, has_ended: false };
            }
            if stop.is_some() && give_up_at.is_none() {
                // The answer may be lost, and then the turn is looked at again.
                self.abort(turn.session()).await;
                give_up_at = Some(Instant::now() + ABORT_PATIENCE);
                check_at = Instant::now();
            }
            let hint = turn.take_hint();
            if hint || check_at <= Instant::now() {
                if let Some(ending) = self.ending(turn, stop.is_some()).await {
                    self.drain(turn, &ending, &mut stream).await;
                    return End { ending, stop, has_ended: true };
                }
                let is_near = hint || stop.is_some();
                check_at = Instant::now() + if is_near { RECHECK_INTERVAL } else { CHECK_INTERVAL };
            }
        }
    }

    /// Returns why the turn must be stopped, if it goes beyond its bounds.
    fn excess(&self, turn: &Turn) -> Option<Stop> {
        let max_turns = self.run.request().limits().max_turns();
        let (reason, detail) = if max_turns.is_some_and(|most| turn.continues_after(most)) {
            (FailureReason::MaxTurns, "The agent needed more turns than its limit.")
        } else if turn.retries() >= MAX_RETRIES {
            (turn.retry_reason(), "The API of the model failed again and again.")
        } else if turn.unreadable_answers() >= MAX_UNREADABLE_ANSWERS {
            (FailureReason::ApiError, "The agent could not read the answers of the model.")
        } else {
            return None;
        };
        Some(failed(reason, detail.to_owned()))
    }

    async fn take(&self, event: ServerEvent, turn: &mut Turn) {
        match event {
            ServerEvent::Data(data) => {
                let events = turn.read(&data);
                self.emit(turn, events).await;
            }
            ServerEvent::TooLong => {
                let message = "An event was dropped, because it is too long.".to_owned();
                self.emit(turn, vec![AgentEventKind::Warning { message }]).await;
            }
        }
    }

    /// Reports events, and then from where the run can be continued: also after those that the history does not have, which
    /// are not passed again.
    pub(super) async fn emit(&self, turn: &mut Turn, events: Vec<AgentEventKind>) {
        let has_events = !events.is_empty();
        for event in events {
            self.run.sink.emit(event).await;
        }
        if turn.take_progress() || has_events {
            self.run.sink.checkpoint(turn.checkpoint().write()).await;
        }
    }

    /// Takes the events that were on their way when the turn ended, and those that the stream did not bring.
    async fn drain(&self, turn: &mut Turn, ending: &Ending, stream: &mut EventStream) {
        let until = Instant::now() + 10 * SILENCE;
        while Instant::now() < until
            && let Ok(Some(event)) = timeout(SILENCE, stream.next()).await
        {
            self.take(event, turn).await;
        }
        if turn.has_missed_events() || !turn.has_all_of(ending) {
            self.catch_up(turn).await;
        }
    }

    /// Opens the stream of events again, and takes the events that it missed. Fails at once if the server has
    /// ended. A place that cannot be reached is waited for until a limit is exceeded, or the run is cancelled.
    async fn reconnect(&self, turn: &mut Turn, watchdog: &Watchdog) -> Result<EventStream, Stop> {
        let (began_at, mut reached_at) = (Instant::now(), None);
        let mut wait = RECHECK_INTERVAL;
        loop {
            let error = match self.client.events(REQUEST_TIMEOUT).await {
                Ok(stream) => {
                    self.catch_up(turn).await;
                    return Ok(stream);
                }
                Err(error) => error.to_string(),
            };
            let fate = self.server.fate().await;
            let (since, patience) = match &fate {
                // The request may have waited for a place that was away.
                None => (*reached_at.get_or_insert_with(Instant::now), RECONNECT_PATIENCE),
                Some(Fate::Unknown(_)) if self.run.cancelled.is_cancelled() => {
                    return Err(Stop { outcome: Outcome::Cancelled, detail: None });
                }
                Some(Fate::Unknown(_)) => match watchdog.exceeded(turn.has_running_tool()) {
                    Some(kind) => return Err(timed_out(kind, self.run.request().limits())),
                    None => (began_at, PLACE_PATIENCE),
                },
                Some(_) => (began_at, Duration::ZERO),
            };
            if since.elapsed() + wait > patience {
                return Err(gone(&fate.unwrap_or(Fate::Ended(error))));
            }
            sleep(wait).await;
            wait = (2 * wait).min(Duration::from_secs(2));
        }
    }
}
