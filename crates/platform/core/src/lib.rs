//! The basis of every domain of rdev: ids, times, pages, projects, callers' rights, idempotency keys, leases,
//! and the ports for time and randomness. It does no I/O.
//!
//! Every existing value is valid: only the constructors (`FromStr`, `TryFrom`, `new`) create values, and
//! their errors describe the fault.

mod access;
mod causes;
mod clock;
mod entropy;
pub mod id;
mod idempotency_key;
pub mod json;
mod lease_token;
mod page;
mod project;
mod store_error;
mod timestamp;
mod visibility;
mod window;

pub use access::{Access, Scope, ScopeError};
pub use causes::with_causes;
pub use clock::Clock;
pub use entropy::Entropy;
pub use id::{ApiKeyId, IdError};
pub use idempotency_key::{IdempotencyKey, IdempotencyKeyError};
pub use lease_token::LeaseToken;
pub use page::{Damaged, Page, PageRequest};
pub use project::{ProjectName, ProjectNameError};
pub use store_error::{PublicCause, StoreError};
pub use timestamp::{Timestamp, TimestampError};
pub use visibility::is_invisible;
pub use window::parse_window;
