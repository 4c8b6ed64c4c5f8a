//! The API as its clients see it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod answer;
mod api_keys;
mod auth;
mod authorization;
mod bad_requests;
mod batches;
mod circuits;
mod conditions;
mod conformance;
mod deliveries;
mod event_feed;
mod event_types;
mod events;
mod failures;
mod filters;
mod health;
mod idempotency;
mod large_answers;
mod limited;
mod logging;
mod moved;
mod openapi;
mod pages;
mod properties;
mod refusals;
mod replays;
mod request_ids;
mod rotation;
mod scene;
mod server;
mod shares;
mod statistics;
mod strangers;
mod stream;
mod webhooks;
