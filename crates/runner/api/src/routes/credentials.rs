//! Credentials.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
mod path;
pub(crate) mod put;
pub(crate) mod uses;

pub(crate) use delete::delete;
pub(crate) use get::get;
pub(crate) use list::list;
pub(crate) use put::{MAX_BODY, put};
pub(crate) use uses::uses;
