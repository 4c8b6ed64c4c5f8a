//! Conversion of rows to the domain's types.

pub(crate) mod attempt;
pub(crate) mod delivery;

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::StoreError;

use crate::error::Row;

/// Converts to nanoseconds as they are stored, at most 292 years.
pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Converts a moment as it is stored.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_micros()
}

/// Parses a JSON array of texts.
pub(crate) fn set<T>(row: &Row<'_>, column: &'static str, texts: &str) -> Result<BTreeSet<T>, StoreError>
where
    T: FromStr<Err: Into<Box<dyn std::error::Error + Send + Sync>>> + Ord,
{
    let texts: Vec<String> = serde_json::from_str(texts).map_err(|error| row.corrupt(column, error))?;
    texts.iter().map(|text| row.parse(column, text)).collect()
}
