//! The events of a command live, to its end.

use rdev_client::{Error, Live, Reply, Signal};

use crate::{Client, Command, CommandEvent};

/// The events of a command, each once and in order. The stream reconnects by itself and continues where it stopped.
#[derive(Debug)]
pub struct CommandEvents {
    client: Client,
    live: Live<CommandEvent>,
}

/// What happened to a command, or on the connection.
#[derive(Debug)]
pub enum CommandSignal {
    /// The stream is connected, for the first time or again.
    Connected,
    /// The connection broke, or could not be made again. The stream reconnects with the next call.
    Lost(Error),
    /// An event.
    Event(Box<Reply<CommandEvent>>),
    /// The command has ended, and all its events have been returned.
    Ended(Box<Reply<Command>>),
    /// The command was deleted.
    Deleted,
}

impl CommandEvents {
    pub(crate) fn new(client: Client, live: Live<CommandEvent>) -> Self {
        Self { client, live }
    }

    /// Returns the stream, which also makes its first connection as often as necessary. For the follower of a command
    /// that the service has just accepted.
    #[must_use]
    pub fn persistent(mut self) -> Self {
        self.live = self.live.persistent();
        self
    }

    /// Returns what happens next. Cancelling this future loses nothing. Nothing comes after the end of the command.
    ///
    /// # Errors
    /// Fails if the first connection cannot be made, or if the service refuses a later one.
    pub async fn next(&mut self) -> Result<CommandSignal, Error> {
        loop {
            return match self.live.next().await? {
                Signal::Connected => Ok(CommandSignal::Connected),
                Signal::Lost(error) => Ok(CommandSignal::Lost(error)),
                Signal::Item(event) => Ok(CommandSignal::Event(Box::new(event))),
                Signal::Other(event, data) if event == "end" => {
                    let foreign = |_| Error::Foreign { url: self.client.url().to_owned(), status: 200 };
                    serde_json::from_str(&data)
                        .map(|command| CommandSignal::Ended(Box::new(command)))
                        .map_err(foreign)
                }
                Signal::Other(event, _) if event == "deleted" => Ok(CommandSignal::Deleted),
                Signal::Moved | Signal::Other(..) => continue,
            };
        }
    }
}
