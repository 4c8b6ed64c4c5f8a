//! API keys and idempotent requests, for every domain of rdev.
//!
//! - [`ApiKeys`] creates, deletes and authenticates API keys.
//! - [`Idempotency`] executes a repeated request once. The use cases of a domain take the [`Ids`] of the
//!   request's operation.
//!
//! [`scopes`] are those of the command runner, which uses the keys of the webhooks.
//!
//! A store implements the [`ports`]. [`sealed`] encrypts what it keeps of a request.

mod api_key;
mod api_keys;
mod idempotency;
mod operation;
pub mod ports;
pub mod scopes;
pub mod sealed;

pub use api_key::{ApiKey, ApiKeyHash, ApiKeySecret, ApiKeySecretError};
pub use api_keys::{
    ApiKeyCreated, ApiKeyError, ApiKeyViolation, ApiKeys, AuthenticationError, LastUsedRecorder, NewApiKey,
};
pub use idempotency::{Begun, Idempotency, Ids, KEEP_KEYS_FOR, OperationRun};
pub use operation::{Fingerprint, Operation, RememberedAnswer};
