//! The statements of events.

pub(crate) mod add;
mod feed;
pub(crate) mod list;
pub(crate) mod publish;
