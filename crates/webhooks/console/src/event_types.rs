//! Event types.

mod change;
mod list;

pub(crate) use change::{confirm, delete, edit, new, register, save};
pub(crate) use list::{list, show};
