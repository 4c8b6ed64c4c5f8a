//! OpenCode for the command runner: [`OpenCodeAgent`] implements the port
//! [`CodeAgent`](rdev_runner_domain::ports::CodeAgent) over servers (`opencode serve`), which it starts on a
//! backend.
//!
//! # Servers
//!
//! The runs of a project share a server: one for each folder and environment, because the secrets and the variables of a
//! run are the environment of its server. Runs that name other secrets, or other values, get a server of their
//! own. A server listens on loopback only, in a pod on that of the pod, and has a password of its own; the backend
//! connects to it. It reads the user's configuration in the project's home, but nothing of that kind in the
//! repository. It is stopped when it has been without runs for a while ([`OpenCodeSettings::keep_idle`]), and by
//! [`OpenCodeAgent::close`].
//!
//! A server outlives the runner. The name and password of each are in a file of [`OpenCodeSettings::state`], on
//! which the runner that looks after the server holds a lock. The next runner takes over the servers whose lock
//! is free when it starts: it waits for their runs, and stops a server in which a run has no runner any more.
//!
//! # The events
//!
//! `GET /global/event` reports everything twice: live, and as durable events, which have a sequence number per
//! session. The adapter takes messages, tool calls and results from the durable ones: after a dropped
//! connection, and after a restart of the runner, `POST /sync/history` has those that were missed, so that none
//! is lost and none comes twice. Text deltas, states and prompts exist live only.
//!
//! # The end of a turn
//!
//! No single event proves the end: after an abort the session is idle twice, after an unknown model never, and
//! an idle may belong to an earlier turn. Such an event is only the occasion to ask: the turn has ended once
//! `/session/status` does not list the session and the last message of the turn is completed.
//!
//! # Nothing is left
//!
//! After the last run of a server everything is killed that descends from it and does not belong to the server
//! itself: daemons that tools have started, and tools that have not ended. While another run goes on in the
//! server, that waits for the other's end: no one can say to which of the two a daemon belongs. A server whose
//! session does not end after an abort is stopped, with everything that descends from it.

mod agent;
mod checkpoint;
mod client;
mod connector;
mod decoder;
mod error;
mod records;
mod rules;
mod run;
mod servers;
mod settings;
mod turn;
mod watchdog;

pub use agent::OpenCodeAgent;
pub use client::{
    AVAILABILITY_TIMEOUT, HEARTBEAT_TIMEOUT, MAX_RESPONSE_BYTES, OPENING_TIMEOUT, REQUEST_TIMEOUT,
};
pub use run::{ABORT_PATIENCE, CHECK_INTERVAL, MAX_RETRIES, MAX_UNREADABLE_ANSWERS, RECONNECT_PATIENCE};
pub use servers::{ABANDONED_AFTER, MAX_STEPS, SERVER_LIFETIME, START_TIMEOUT};
pub use settings::{DEFAULT_KEEP_IDLE, OpenCodeSettings};
