//! Pages of lists.

use serde::Deserialize;

use crate::{Query, Reply};

/// A page of a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "T: serde::de::DeserializeOwned")]
#[non_exhaustive]
pub struct Page<T> {
    /// The items, newest first; those of a feed or of a log, oldest first.
    pub data: Vec<Reply<T>>,
    /// Whether there are more.
    pub has_more: bool,
    /// The cursor of the next page. A feed has one on every page.
    pub next_cursor: Option<String>,
    /// The ids of items that are damaged in the database and were left out.
    #[serde(default)]
    pub damaged: Vec<String>,
}

/// Which page of a list.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// The maximum number of items, up to 100; the service's default is 20.
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl PageRequest {
    pub(crate) fn add_to(&self, query: &mut Query) {
        query.add("limit", self.limit.as_ref());
        query.add("cursor", self.cursor.as_ref());
    }
}
