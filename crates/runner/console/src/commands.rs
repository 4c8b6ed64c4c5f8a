//! Commands.

mod change;
mod entry;
mod list;
mod list_live;
mod live;
mod new;
mod outcome;
mod raw;
mod row;
mod show;
mod transcript;

pub(crate) use change::{cancel, confirm, delete, run_again};
pub(crate) use list::{NEWEST, list, rows};
pub(crate) use list_live::list_live;
pub(crate) use live::live;
pub(crate) use new::{create, new};
pub(crate) use raw::{diff, event, prompt, result_text};
pub(crate) use row::Row;
pub(crate) use show::{limit_facts, show};
