//! The driver of a rotation: it reseals all values of a store, in steps between which others can write.

use crate::keyring::{Keyring, SealError};
use crate::rotation::{RotationReport, RotationTally};
use crate::sealed_column::SealedColumn;

/// The maximum number of values that one step reads and replaces.
pub const BATCH_SIZE: usize = 200;

/// The maximum number of passes over a column: a process could seal with another key forever.
const MAX_PASSES: u32 = 10;

/// A sealed value, as it was read.
#[derive(Clone, Debug)]
pub struct SealedValue<Key> {
    /// The primary key of its row.
    pub key: Key,
    /// The id to which it is bound, besides its table and column.
    pub id: String,
    /// The value.
    pub sealed: Vec<u8>,
}

/// A value and its replacement.
#[derive(Clone, Debug)]
pub struct Replacement<Key> {
    /// The primary key of its row.
    pub key: Key,
    /// The value that was read.
    pub sealed: Vec<u8>,
    /// The same, sealed with the primary key.
    pub resealed: Vec<u8>,
}

/// A store of sealed values, for [`reseal`].
pub trait SealedStore: Send {
    /// The primary key of a row.
    type Key: Clone + Send;
    /// The errors of the store.
    type Error: From<SealError> + Send;

    /// Returns the next values of a column that are not sealed with the primary key: those after the row
    /// `after`, in the order of the rows' keys, and at most [`BATCH_SIZE`].
    fn read(
        &mut self,
        column: SealedColumn,
        keyring: &Keyring,
        after: Option<Self::Key>,
    ) -> impl Future<Output = Result<Vec<SealedValue<Self::Key>>, Self::Error>> + Send;

    /// Stores replacements, in one transaction, except of values that have changed since they were read. Returns
    /// how many it stored.
    fn replace(
        &mut self,
        column: SealedColumn,
        replacements: Vec<Replacement<Self::Key>>,
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// Waits between two steps, so that others can write.
    fn pause(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Reseals the values of these columns that are not sealed with the primary key. It may be stopped at any moment
/// and repeated.
///
/// # Errors
///
/// Fails if the store does, or with a [`SealError`].
pub async fn reseal<S: SealedStore>(
    store: &mut S,
    keyring: &Keyring,
    columns: &[SealedColumn],
) -> Result<RotationReport, S::Error> {
    let mut report = RotationReport::default();
    for column in columns {
        let mut resealed = 0;
        // The next pass finds values that were sealed during the previous one.
        for pass in 1.. {
            let tally = pass_over(store, keyring, *column).await?;
            resealed += tally.resealed;
            if tally.resealed == 0 || pass == MAX_PASSES {
                report.places.push((column.to_string(), RotationTally { resealed, ..tally }));
                break;
            }
        }
    }
    Ok(report)
}

/// Reseals the values of one column.
async fn pass_over<S: SealedStore>(
    store: &mut S,
    keyring: &Keyring,
    column: SealedColumn,
) -> Result<RotationTally, S::Error> {
    let mut tally = RotationTally::default();
    let mut after = None;
    loop {
        let values = store.read(column, keyring, after).await?;
        after = values.last().filter(|_| values.len() == BATCH_SIZE).map(|value| value.key.clone());
        let mut replacements = Vec::with_capacity(values.len());
        for SealedValue { key, id, sealed } in values {
            let data = column.associated_data(&id);
            if let Some(resealed) = tally.reseal(keyring, &sealed, data.as_bytes())? {
                replacements.push(Replacement { key, sealed, resealed });
            }
        }
        if !replacements.is_empty() {
            tally.resealed += store.replace(column, replacements).await?;
        }
        if after.is_none() {
            return Ok(tally);
        }
        store.pause().await;
    }
}
