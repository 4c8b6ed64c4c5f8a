//! OpenCode for the command runner: [`OpenCodeAgent`] implements the port
//! [`CodeAgent`](rdev_runner_domain::ports::CodeAgent) over a running server (`opencode serve`), which it does
//! not start.
//!
//! # The events
//!
//! `GET /global/event` reports everything twice: live, and as durable events, which have a sequence number per
//! session. The adapter takes messages, tool calls and results from the durable ones: after a dropped
//! connection `POST /sync/history` has those that were missed, so that none is lost and none comes twice. Text
//! deltas, states and prompts exist live only.
//!
//! # The end of a turn
//!
//! No single event proves the end: after an abort the session is idle twice, after an unknown model never, and
//! an idle may belong to an earlier turn. Such an event is only the occasion to ask: the turn has ended once
//! `/session/status` does not list the session and the last message of the turn is completed.

mod agent;
mod client;
mod decoder;
mod error;
mod rules;
mod run;
mod turn;

pub use agent::OpenCodeAgent;
pub use client::{
    AVAILABILITY_TIMEOUT, HEARTBEAT_TIMEOUT, MAX_RESPONSE_BYTES, OPENING_TIMEOUT, REQUEST_TIMEOUT, Server,
};
pub use decoder::{EventDecoder, ServerEvent};
pub use error::{RequestError, RequestFault};
pub use run::{ABORT_PATIENCE, CHECK_INTERVAL, MAX_RETRIES, MAX_UNREADABLE_ANSWERS, RECONNECT_PATIENCE};
