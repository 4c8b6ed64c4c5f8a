type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a store could not do what it was asked. Nothing has changed when it says so, save that after
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
    #[error("the database refused a statement")]
    Internal(#[source] Source),
}
