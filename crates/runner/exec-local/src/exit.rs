//! How a run ended, and what was swept before, as the files of its folder have it.

use std::time::Duration;

use rdev_runner_domain::ExecEnd;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How the agent of a run ended.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Exit(#[serde(with = "ExitForm")] pub ExecEnd);

/// The members of the file, which the compiler compares with those of [`ExecEnd`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "ExecEnd")]
struct ExitForm {
    exit_code: Option<i32>,
    signal: Option<i32>,
    timed_out: bool,
    start_error: Option<String>,
    swept: u32,
    left: u32,
    #[serde(rename = "duration_ms", serialize_with = "to_millis", deserialize_with = "from_millis")]
    duration: Duration,
}

fn to_millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).serialize(serializer)
}

fn from_millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

/// What a sweep has found while the run goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sweep {
    /// The number of the sweep: 1, 2, 3.
    pub(crate) number: u64,
    /// The number of processes outside of the program's session that descend from it.
    pub(crate) tools: u32,
}
