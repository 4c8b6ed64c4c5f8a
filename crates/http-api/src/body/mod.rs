//! Request bodies: reading them within bounds, and reading their JSON member by member with every
//! fault at its pointer.

mod document;
mod linger;
mod media_type;
mod object;
mod read;
mod readable;
mod value;

pub(crate) use document::{Document, Nothing};
pub(crate) use linger::linger;
pub(crate) use object::Object;
pub(crate) use value::{Value, pointer};

/// How many bytes a body may have: 256 KiB.
pub(crate) const LIMIT: usize = 256 * 1024;
