//! The links between the pages of a list.

use std::fmt::Display;

use askama::Template;
use rdev_core::Page;

use crate::form::{AFTER, BEFORE, Form};
use crate::view::View;

/// The links of a page of a list to the first and to the next page; nothing if the list has one page.
#[derive(Debug, Clone, Template)]
#[template(path = "pages.html")]
pub struct Pager {
    first: Option<String>,
    next: Option<String>,
    labels: [&'static str; 2],
}

impl Pager {
    /// Creates the links of a page of a list, newest first, that was found for this query; `id` returns what an older
    /// page begins before.
    #[must_use]
    pub fn new<T, I: Display>(
        view: &View,
        path: &str,
        query: &Form,
        found: &Page<T>,
        id: impl Fn(&T) -> I,
    ) -> Self {
        Self::of(view, path, query, found, (BEFORE, ["Newest", "Older"]), id)
    }

    /// Creates the links of a page of a list in the order of names that was found for this query; `name` returns what
    /// the next page begins after.
    #[must_use]
    pub fn by_name<'a, T, N: Display>(
        view: &View,
        path: &str,
        query: &Form,
        found: &'a Page<T>,
        name: impl Fn(&'a T) -> N,
    ) -> Self {
        Self::of(view, path, query, found, (AFTER, ["First", "Next"]), name)
    }

    fn of<'a, T, I: Display>(
        view: &View,
        path: &str,
        query: &Form,
        found: &'a Page<T>,
        (parameter, labels): (&str, [&'static str; 2]),
        key: impl Fn(&'a T) -> I,
    ) -> Self {
        let address = |from: Option<&str>| view.url(&query.address(path, &[(parameter, from)]));
        let last = found.items.last().filter(|_| found.has_more);
        Self {
            first: query.given(parameter).map(|_| address(None)),
            next: last.map(|last| address(Some(&key(last).to_string()))),
            labels,
        }
    }
}
