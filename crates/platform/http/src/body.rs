//! Request bodies: reading them within limits, and reading their JSON member by member with a JSON pointer
//! for every fault.

mod batch;
mod document;
mod linger;
mod media_type;
mod object;
mod read;
mod readable;
mod value;

pub(crate) use batch::read_any;
pub use batch::{Batch, takes_batch};
pub use document::{Document, EmptyBody, Nothing, Optional};
pub use linger::linger;
pub use object::Object;
pub use value::{Value, pointer};

/// Maximum bytes of a body: 256 KiB.
pub const LIMIT: usize = 256 * 1024;

/// Maximum bytes of a body with several items: 16 MiB.
pub const BATCH_LIMIT: usize = 16 * 1024 * 1024;
