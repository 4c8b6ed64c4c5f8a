//! Follows a command to its end.

use rdev_cli::output::say;
use rdev_cli::{Failure, Outcome, Session};
use rdev_client::Reply;
use rdev_runner_client::{Client, Command, CommandEvents, CommandSignal};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::screen::Screen;

/// Shows the events of a command, and returns it once it has ended. A lost connection is made again.
pub(crate) async fn to_the_end(
    session: &Session,
    mut events: CommandEvents,
    screen: &mut Screen,
) -> Outcome<Reply<Command>> {
    let mut is_lost = false;
    loop {
        match session.done(events.next().await)? {
            CommandSignal::Event(event) => screen.show(&event)?,
            CommandSignal::Ended(command) => return Ok(*command),
            CommandSignal::Deleted => return Err(Failure::failed("the command was deleted")),
            CommandSignal::Lost(error) => {
                if !std::mem::replace(&mut is_lost, true) {
                    screen.note(&format!("warning: {error}; reconnecting"))?;
                }
            }
            CommandSignal::Connected => {
                if std::mem::take(&mut is_lost) {
                    screen.note("Connected again.")?;
                }
            }
        }
    }
}

/// The interrupts of the user, which no longer end the process.
pub(crate) struct Interrupts(Signal);

impl Interrupts {
    pub(crate) fn new() -> Outcome<Self> {
        let interrupts = signal(SignalKind::interrupt());
        interrupts.map(Self).map_err(|error| Failure::failed(format!("cannot listen for ^C: {error}")))
    }

    pub(crate) async fn next(&mut self) {
        // The stream has no end.
        self.0.recv().await;
    }

    /// Returns the outcome of a future; an interrupt ends it.
    pub(crate) async fn end<T>(&mut self, future: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        tokio::select! {
            outcome = future => outcome,
            () = self.next() => Err(Failure::Interrupted),
        }
    }
}

/// Like [`to_the_end`], but the first interrupt cancels the command, and the second leaves it.
pub(crate) async fn cancellable(
    session: &Session,
    client: &Client,
    command: &Command,
    screen: &mut Screen,
    interrupts: &mut Interrupts,
) -> Outcome<Reply<Command>> {
    let events = session.done(client.follow_command(&command.id, None))?.persistent();
    let following = to_the_end(session, events, screen);
    tokio::pin!(following);
    tokio::select! {
        ended = &mut following => return ended,
        () = interrupts.next() => {}
    }
    say(&format!("Cancelling {}; ^C again leaves it to itself.", command.id));
    let cancelling = client.cancel_command(&command.id);
    tokio::pin!(cancelling);
    let mut is_cancelled = false;
    loop {
        tokio::select! {
            ended = &mut following => return ended,
            () = interrupts.next() => {
                let tail = session.program().command(&format!("commands tail {}", command.id));
                say(&format!("It may run on: {tail}"));
                return Err(Failure::Interrupted);
            }
            cancelled = &mut cancelling, if !is_cancelled => {
                is_cancelled = true;
                // It has ended if it is in conflict.
                if let Err(error) = cancelled && error.problem().is_none_or(|problem| problem.status != 409) {
                    say(&format!("warning: it cannot be cancelled: {error}"));
                }
            }
        }
    }
}
