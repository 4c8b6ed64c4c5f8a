//! Request bodies: reading them within bounds, and reading their JSON member by member with every
//! fault at its pointer.

mod batch;
mod document;
mod linger;
mod media_type;
mod object;
mod read;
mod readable;
mod value;

pub(crate) use batch::{Batch, read_any};
pub(crate) use document::{Document, EmptyBody, Nothing, Optional};
pub(crate) use linger::linger;
pub(crate) use object::Object;
pub(crate) use value::{Value, pointer};

/// How many bytes a body may have: 256 KiB.
pub(crate) const LIMIT: usize = 256 * 1024;

/// How many bytes a body that holds many things may have: 16 MiB.
pub(crate) const BATCH_LIMIT: usize = 16 * 1024 * 1024;
