//! API and worker processes on one Postgres, any of them killed at any time.

mod access;
mod crashes;
mod embedding;
mod event_types;
mod handover;
mod isolation;
mod load;
mod outage;
mod publishing;
mod refusals;
mod rekeying;
mod startup;
mod streams;
