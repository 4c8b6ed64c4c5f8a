//! Request bodies, read within limits.

mod batch;
mod document;
mod linger;
mod media_type;
mod read;

pub(crate) use batch::read_any;
pub use batch::{Batch, takes_batch, takes_bytes};
pub use document::{Document, EmptyBody, Nothing, Optional};
pub use linger::linger;

use crate::members::kind;

/// Maximum bytes of a body: 256 KiB.
pub const LIMIT: usize = kind::MAX_ELEMENT;

/// Maximum bytes of a body with several items: 16 MiB.
pub const BATCH_LIMIT: usize = 16 * 1024 * 1024;
