//! Events.

mod feed;
mod list;
mod publish;
mod row;
mod show;

pub(crate) use feed::{feed, live, rows};
pub(crate) use list::list;
pub(crate) use publish::{example, new, publish, type_choice, violation};
pub(crate) use show::show;
