//! Values as responses show them.

use std::fmt::Display;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// A value that is shown as its text.
#[derive(Debug, Clone, Copy)]
pub struct Text<T>(pub T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A number that is shown without a fraction if it has none.
#[derive(Debug, Clone, Copy)]
pub struct Number(pub f64);

impl Number {
    /// Returns milliseconds, with microsecond precision.
    #[must_use]
    pub fn milliseconds(duration: Duration) -> Self {
        Self(duration.as_micros() as f64 / 1_000.0)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Up to this value, a whole f64 is an exact integer.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() <= EXACT {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}
