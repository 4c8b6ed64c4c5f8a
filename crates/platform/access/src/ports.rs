//! The ports that a store implements.
//!
//! The requirements of a method are numbered, and each names the test of the contract suite
//! (`rdev_webhooks_testkit::contract`) that every store passes. A store keeps its own time: leases are passed
//! as durations.

mod api_key_repository;
mod idempotency_repository;

pub use api_key_repository::ApiKeyRepository;
pub use idempotency_repository::{IdempotencyRepository, KeyEnd, KeyRequest, KeyState};
