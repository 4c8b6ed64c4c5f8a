//! Templates of projects.

mod apply;
mod list;
mod show;
mod variables;

pub(crate) use apply::apply;
pub(crate) use list::list;
pub(crate) use show::show;
