//! What every domain of rdev is built of: ids, times, pages, projects, the rights of callers, and the ports for the
//! time and for randomness. No I/O.
//!
//! A value that exists is valid: the constructors (`FromStr`, `TryFrom`, `new`) are the only way in, and their errors
//! say what is wrong.

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
