//! Pages of lists, newest first.

use crate::StoreError;

/// A request for one page of a list: the newest `limit` items older than `before`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest<Id> {
    /// The maximum number of items, at least 1.
    pub limit: u32,
    /// The exclusive upper bound of the ids.
    pub before: Option<Id>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// Whether older items exist.
    pub has_more: bool,
    /// The rows of this page that cannot be read, newest first.
    pub damaged: Vec<Damaged>,
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The id of the item in the row.
    pub id: String,
    /// The column and what is wrong with it, for the log.
    pub cause: String,
}

impl<T> Page<T> {
    /// Creates a page from the result of a query for `limit + 1` items.
    #[must_use]
    pub fn of(mut found: Vec<T>, limit: u32) -> Self {
        let has_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        Self { items: found, has_more, damaged: Vec::new() }
    }

    /// Creates a page from the result of a query for `limit + 1` rows, and reads each row on its own: a row
    /// that cannot be read becomes an entry of [`Page::damaged`] and does not affect the others.
    ///
    /// # Errors
    ///
    /// Fails with any error of `read` other than [`StoreError::Corrupt`].
    pub fn read<R>(
        rows: Vec<R>,
        limit: u32,
        id: impl Fn(&R) -> String,
        read: impl Fn(R) -> Result<T, StoreError>,
    ) -> Result<Self, StoreError> {
        let has_more = rows.len() > limit as usize;
        let mut page = Self { items: Vec::with_capacity(rows.len()), has_more, damaged: Vec::new() };
        for row in rows.into_iter().take(limit as usize) {
            let id = id(&row);
            match read(row) {
                Ok(item) => page.items.push(item),
                Err(error @ StoreError::Corrupt { .. }) => page.damaged.push(Damaged::new(id, &error)),
                Err(error) => return Err(error),
            }
        }
        Ok(page)
    }
}

impl Damaged {
    /// Creates the entry for a row that failed with `error`.
    #[must_use]
    pub fn new(id: String, error: &StoreError) -> Self {
        let cause = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self { id, cause }
    }
}
