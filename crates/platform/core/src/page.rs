//! Lists: newest first, a page at a time.

use crate::StoreError;

/// Which page of a list is wanted: the newest `limit` items older than `before`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest<Id> {
    /// How many at the most, at least 1.
    pub limit: u32,
    /// Only items with a smaller id.
    pub before: Option<Id>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// Whether there are older ones.
    pub has_more: bool,
    /// What belongs on the page and cannot be read, newest first.
    pub damaged: Vec<Damaged>,
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The id of what it holds.
    pub id: String,
    /// Where it stands and what is wrong with it, for the log.
    pub cause: String,
}

impl<T> Page<T> {
    /// Makes a page of what a query for `limit + 1` items found.
    #[must_use]
    pub fn of(mut found: Vec<T>, limit: u32) -> Self {
        let has_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        Self { items: found, has_more, damaged: Vec::new() }
    }

    /// Makes a page of the `limit + 1` rows that a query found, which are read one by one: a row that cannot be read
    /// costs itself alone.
    ///
    /// # Errors
    ///
    /// An error that is not of one row.
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
    /// What an error says of a row.
    #[must_use]
    pub fn new(id: String, error: &StoreError) -> Self {
        let cause = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self { id, cause }
    }
}
