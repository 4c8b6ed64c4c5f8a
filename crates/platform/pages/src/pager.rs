//! The links between the pages of a list.

use std::fmt::Display;

use askama::Template;
use rdev_core::Page;

use crate::form::{BEFORE, Form};
use crate::view::View;

/// The links of a page of a list to the newest and to the next older page; nothing if the list has one page.
#[derive(Debug, Clone, Template)]
#[template(path = "pages.html")]
pub struct Pager {
    newest: Option<String>,
    older: Option<String>,
}

impl Pager {
    /// Creates the links of a page that was found for this query; `id` returns what an older page begins before.
    #[must_use]
    pub fn new<T, I: Display>(
        view: &View,
        path: &str,
        query: &Form,
        found: &Page<T>,
        id: impl Fn(&T) -> I,
    ) -> Self {
        let address = |before: Option<&str>| view.url(&query.address(path, &[(BEFORE, before)]));
        let last = found.items.last().filter(|_| found.has_more);
        Self {
            newest: query.given(BEFORE).map(|_| address(None)),
            older: last.map(|last| address(Some(&id(last).to_string()))),
        }
    }
}
