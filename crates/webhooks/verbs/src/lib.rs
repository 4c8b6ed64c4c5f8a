//! The client commands of the webhooks, for every program that serves their API.

mod deliveries;
mod event_types;
mod events;
mod help;
mod history;
mod keys;
mod listen;
mod replay;
mod status;
mod verify;
mod webhooks;

use std::process::ExitCode;

use clap::Subcommand;
use rdev_cli::{ConnectionArgs, Group, Program, Verb};

pub use help::help_for;

/// The client commands.
#[derive(Debug, Subcommand)]
pub enum WebhooksCommand {
    /// Show events as they come, and forward them to a program on this machine, signed as deliveries are
    Listen(Box<Verb<listen::ListenArgs>>),
    /// Publish and read events
    Events(Box<Group<events::EventsVerb>>),
    /// Create, read and change webhooks
    Webhooks(Box<Group<webhooks::WebhooksVerb>>),
    /// Read, redeliver, cancel and follow deliveries
    Deliveries(Box<Group<deliveries::DeliveriesVerb>>),
    /// Redeliver all finished deliveries of a webhook in a range of time
    Replay(Box<Verb<replay::ReplayArgs>>),
    /// Create, read and delete API keys
    Keys(Box<Group<keys::KeysVerb>>),
    /// Register and read event types
    EventTypes(Box<Group<event_types::EventTypesVerb>>),
    /// Check the signature of a received request, and say which check fails and why
    Verify(verify::VerifyArgs),
    /// Show what the server is and how it is doing
    Status(Box<ConnectionArgs>),
    /// Print the versions of this program and of the server
    Version(Box<ConnectionArgs>),
}

impl WebhooksCommand {
    /// Runs the command.
    #[must_use]
    pub fn run(self, program: &'static Program) -> ExitCode {
        match self {
            Self::Listen(verb) => verb.run(program, listen::run),
            Self::Events(group) => group.run(program, events::run),
            Self::Webhooks(group) => group.run(program, webhooks::run),
            Self::Deliveries(group) => group.run(program, deliveries::run),
            Self::Replay(verb) => verb.run(program, replay::run),
            Self::Keys(group) => group.run(program, keys::run),
            Self::EventTypes(group) => group.run(program, event_types::run),
            Self::Verify(args) => rdev_cli::run_without_session(program, verify::run(args)),
            Self::Status(connection) => rdev_cli::run(program, &connection, status::status),
            Self::Version(connection) => rdev_cli::run(program, &connection, status::version),
        }
    }
}
