//! Templates.

pub(crate) mod apply;
mod failure;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod render;
pub(super) mod variables;

pub(crate) use apply::apply;
pub(crate) use get::get;
pub(crate) use list::list;
pub(crate) use render::render;
