//! A client of the REST API of [Woodpecker CI](https://woodpecker-ci.org), version 3.
//!
//! ```no_run
//! use std::collections::BTreeMap;
//!
//! use rdev_runner_woodpecker::{Event, Secret, Woodpecker};
//!
//! # async fn run(token: secrecy::SecretString, key: secrecy::SecretString) -> Result<(), rdev_runner_woodpecker::Error> {
//! let woodpecker = Woodpecker::new("https://ci.example", token)?;
//! let repository = woodpecker.activate("acme/billing").await?;
//! let secret = Secret::new("rdev_api_key", key, [Event::Push, Event::Manual])?;
//! woodpecker.set_secret(repository.id, &secret).await?;
//! if let Some(pipeline) = woodpecker.trigger(repository.id, "main", &BTreeMap::new()).await? {
//!     println!("{} {}", pipeline.number, pipeline.status);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What the API does that its description does not say
//!
//! - Creating a secret that exists is answered with 500. [`Woodpecker::set_secret`] therefore looks first, and updates
//!   what is there.
//! - A secret without events is answered with 422: a [`Secret`] has at least one.
//! - Lists of pipelines have the variables with which they were triggered: [`Woodpecker::triggered`] finds one by them.
//! - A triggered pipeline without a step that has to run is answered with 204 and no content.
//! - Activating an active repository is answered with 409: [`Woodpecker::activate`] returns it.

mod client;
mod error;
mod pipeline;
mod repository;
mod secret;
mod server;

pub use client::{MAX_RESPONSE_BYTES, REQUEST_TIMEOUT, Woodpecker};
pub use error::{Error, Fault};
pub use pipeline::{Pipeline, PipelineStatus};
pub use repository::Repository;
pub use secret::{Event, Secret, SecretChange};
