//! Errors of stores.

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a store could not do what it was asked. Nothing has changed then, except that after
/// [`StoreError::Unavailable`] a write may have been made all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database could not be reached, or did not answer in time. Worth another try.
    #[error("the database is unavailable")]
    Unavailable(#[source] Source),
    /// What stands in the database cannot be read.
    #[error("{table}.{column} of {id} cannot be read")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row.
        id: String,
        /// What is wrong with it.
        #[source]
        source: Source,
    },
    /// The database refused a statement that it should take: a defect of ours.
    #[error("the database rejected a statement")]
    Internal(#[source] Source),
}

/// A cause of [`StoreError::Unavailable`] that everybody may know: it names no host, no user and no secret. What does
/// is its source.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct PublicCause {
    text: String,
    #[source]
    source: Option<Source>,
}

impl PublicCause {
    /// A cause in plain words, behind which there is nothing.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None }
    }

    /// The same of an error that is for the log alone.
    #[must_use]
    pub fn with_source(text: impl Into<String>, source: impl Into<Source>) -> Self {
        Self { text: text.into(), source: Some(source.into()) }
    }
}

impl StoreError {
    /// A database that cannot be used, with what everybody may know of why.
    #[must_use]
    pub fn unavailable(cause: PublicCause) -> Self {
        Self::Unavailable(cause.into())
    }

    /// What everybody may know of why the database cannot be used.
    #[must_use]
    pub fn public_cause(&self) -> Option<&PublicCause> {
        match self {
            Self::Unavailable(source) => source.downcast_ref(),
            _ => None,
        }
    }
}
