//! The basis of every domain of rdev: ids, times, pages, projects, callers' rights, and the ports for time
//! and randomness. It does no I/O.
//!
//! Every existing value is valid: only the constructors (`FromStr`, `TryFrom`, `new`) create values, and
//! their errors describe the fault.

mod access;
mod clock;
mod entropy;
pub mod id;
mod page;
mod project;
mod store_error;
mod timestamp;

pub use access::{Access, Scope, ScopeError};
pub use clock::Clock;
pub use entropy::Entropy;
pub use id::{ApiKeyId, IdError};
pub use page::{Damaged, Page, PageRequest};
pub use project::{ProjectName, ProjectNameError};
pub use store_error::{PublicCause, StoreError};
pub use timestamp::{Timestamp, TimestampError};
