//! The limits of time.

use std::time::Duration;

use crate::macros::named;

named!(
    /// A limit of time. Its name in the API is [`Timeout::as_str`] with `_ms` appended.
    Timeout {
        /// From the start of the command to its end.
        Wall = "wall",
        /// Without any output while no tool runs.
        Idle = "idle",
        /// Without any output while a tool runs.
        ToolIdle = "tool_idle",
        /// From the start of the command to the agent's first output.
        Start = "start",
    }
);

impl Timeout {
    /// Returns the value of a request that names none.
    #[must_use]
    pub const fn default_value(self) -> Duration {
        Duration::from_secs(match self {
            Self::Wall => 60 * 60,
            Self::Idle => 5 * 60,
            Self::ToolIdle => 30 * 60,
            Self::Start => 30,
        })
    }

    /// Returns the longest value.
    #[must_use]
    pub const fn longest(self) -> Duration {
        Duration::from_secs(match self {
            Self::Wall | Self::Idle | Self::ToolIdle => 24 * 60 * 60,
            Self::Start => 10 * 60,
        })
    }
}
