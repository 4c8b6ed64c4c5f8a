//! Events.

mod list;
mod publish;
mod show;

pub(crate) use list::list;
pub(crate) use publish::{example, new, publish, type_choice, violation};
pub(crate) use show::show;
