//! Delivering: prepare → send → decide → settle.
//!
//! [`Worker::run`] joins three kinds of tasks. The scheduler finds out which webhooks have something
//! due, claims as much as there are free slots for, and hands it to the pool. Each task of the pool
//! drives its deliveries at the same time: [`prepare`] makes the request, the dispatcher sends it,
//! [`decide`] says how the delivery goes on. The settler records what came of them, many to a
//! transaction, and frees their slots. An attempt that this host could not make is not recorded: the settler
//! releases the delivery, and the scheduler pauses the webhook for a moment.

mod busy;
mod decide;
mod flights;
mod heartbeat;
mod local_faults;
mod pauses;
mod pool;
mod prepare;
mod rate;
mod recording;
mod redact;
mod retry_after;
mod round;
mod scheduler;
mod settler;
mod share;
mod standing;
mod window;
mod worker;

pub use decide::{Decision, decide};
pub use heartbeat::Heartbeat;
pub use prepare::{Prepared, prepare, sent_headers};
pub use worker::{Worker, WorkerOptions};
