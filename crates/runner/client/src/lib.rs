//! A client of the REST API of the command runner.
//!
//! ```no_run
//! use rdev_runner_client::{Client, CommandSignal, NewCommand};
//!
//! # async fn run(key: String) -> Result<(), rdev_runner_client::Error> {
//! let client = Client::builder("http://127.0.0.1:8080").api_key(key).build()?;
//! let command = client.create_command("my-project", &NewCommand::new("fix the failing test")).await?;
//! let mut events = client.follow_command(&command.id, None)?;
//! let ended = loop {
//!     match events.next().await? {
//!         CommandSignal::Event(event) => println!("{} {}", event.seq, event.kind),
//!         CommandSignal::Ended(command) => break command,
//!         CommandSignal::Deleted => return Ok(()),
//!         CommandSignal::Connected | CommandSignal::Lost(_) => {}
//!     }
//! };
//! println!("{}", ended.status);
//! # Ok(())
//! # }
//! ```
//!
//! Calls are repeated and responses are read as `rdev_client` says: a call that writes has one idempotency key for all
//! its attempts, so that the service carries it out once. Ids, statuses and the like are strings, because later versions
//! of the service may add values.

mod follow;
mod operations;
mod views;

#[cfg(test)]
mod description_tests;

pub use follow::{CommandEvents, CommandSignal};
pub use operations::{
    ApplyTemplate, CommandFilter, CredentialFilter, NewCommand, NewCredential, NewLimits, NewPipeline,
    NewPipelineSecret, NewPod, NewProject, NewSession, NewWorkspace, ProjectFilter, ProjectPatch,
    RenderTemplate,
};
pub use rdev_client::{
    Builder, Connection, Error, Fault, MAX_ATTEMPTS, Page, PageRequest, Problem, Reply, random_key,
};
pub use views::*;

rdev_client::client!("rdev-runner-client");
