//! Changes that come too late.

use rdev_http::{ProblemCode, StatusCode};

/// The state of what was to be changed does not allow it.
pub const CONFLICT: ProblemCode = ProblemCode::new(
    "conflict",
    StatusCode::CONFLICT,
    "Not possible now",
    "The state of what was to be changed does not allow it.",
);
