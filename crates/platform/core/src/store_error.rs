//! Errors of stores.

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The reason why a store did not complete an operation. Nothing has changed, except that after
/// [`StoreError::Unavailable`] a write may have been made nevertheless.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database could not be reached, or did not respond in time. The caller can try again.
    #[error("the database is unavailable")]
    Unavailable(#[source] Source),
    /// A value in the database cannot be read.
    #[error("{table}.{column} of {id} cannot be read")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The id of the row.
        id: String,
        /// The fault of the value.
        #[source]
        source: Source,
    },
    /// The database rejected a statement that it should accept: a defect of this program.
    #[error("the database rejected a statement")]
    Internal(#[source] Source),
}

/// A cause of [`StoreError::Unavailable`] that can be shown to anyone: it names no host, no user and no
/// secret. Its source may name them.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct PublicCause {
    text: String,
    #[source]
    source: Option<Source>,
}

impl PublicCause {
    /// Creates a cause without a source.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None }
    }

    /// Creates a cause with a source that is only for the log.
    #[must_use]
    pub fn with_source(text: impl Into<String>, source: impl Into<Source>) -> Self {
        Self { text: text.into(), source: Some(source.into()) }
    }
}

impl StoreError {
    /// Creates the error of an unavailable database with a cause that can be shown to anyone.
    #[must_use]
    pub fn unavailable(cause: PublicCause) -> Self {
        Self::Unavailable(cause.into())
    }

    /// Returns the cause that can be shown to anyone, if the database is unavailable and the cause is known.
    #[must_use]
    pub fn public_cause(&self) -> Option<&PublicCause> {
        match self {
            Self::Unavailable(source) => source.downcast_ref(),
            _ => None,
        }
    }
}
