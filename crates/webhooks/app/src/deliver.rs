//! Delivery: prepare → send → decide → settle.
//!
//! [`Worker::run`] joins three kinds of tasks. The scheduler discovers the webhooks with due deliveries,
//! claims as many deliveries as slots are free, and hands them to the pool. Each pool task drives its
//! deliveries concurrently: [`prepare`] builds the request, the dispatcher sends it, and [`decide`]
//! determines the next state of the delivery, whose slot is free then. The settler records the outcomes, many
//! per transaction. An attempt that this host could not make is not recorded: the settler releases the
//! delivery, and the scheduler pauses the webhook for a moment.

mod active_webhooks;
mod decide;
mod flights;
mod heartbeat;
mod local_faults;
mod pauses;
mod permits;
mod pool;
mod prepare;
mod progress;
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
pub use prepare::{Prepared, prepare, sent_headers, signed_headers};
pub use worker::{Worker, WorkerOptions};
