//! Settings that a request leaves out, resets or names.

use std::time::Duration;

use rdev_runner_domain::LimitSettings;

/// A setting in a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Setting<T> {
    /// The request does not name it: the value that stands applies.
    #[default]
    Kept,
    /// The request resets it: the default applies.
    Reset,
    /// The request names this value.
    Value(T),
}

impl<T> Setting<T> {
    /// Converts the value.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Setting<U> {
        match self {
            Self::Kept => Setting::Kept,
            Self::Reset => Setting::Reset,
            Self::Value(value) => Setting::Value(convert(value)),
        }
    }

    /// Returns the value over the one that stands.
    pub fn over(self, present: Option<T>) -> Option<T> {
        match self {
            Self::Kept => present,
            Self::Reset => None,
            Self::Value(value) => Some(value),
        }
    }

    /// Returns the value over the one that stands, or the default.
    pub fn over_or(self, present: T, default: T) -> T {
        match self {
            Self::Kept => present,
            Self::Reset => default,
            Self::Value(value) => value,
        }
    }

    /// Returns whether the request does not name the setting.
    pub const fn is_kept(&self) -> bool {
        matches!(self, Self::Kept)
    }
}

/// The limits in a request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LimitChanges {
    /// [`LimitSettings::wall`].
    pub wall: Setting<Duration>,
    /// [`LimitSettings::idle`].
    pub idle: Setting<Duration>,
    /// [`LimitSettings::tool_idle`].
    pub tool_idle: Setting<Duration>,
    /// [`LimitSettings::start`].
    pub start: Setting<Duration>,
    /// [`LimitSettings::max_turns`].
    pub max_turns: Setting<u32>,
    /// [`LimitSettings::max_budget_usd`].
    pub max_budget_usd: Setting<f64>,
}

impl LimitChanges {
    /// Returns all limits, reset.
    #[must_use]
    pub const fn reset() -> Self {
        Self {
            wall: Setting::Reset,
            idle: Setting::Reset,
            tool_idle: Setting::Reset,
            start: Setting::Reset,
            max_turns: Setting::Reset,
            max_budget_usd: Setting::Reset,
        }
    }

    /// Returns the limits over those that stand.
    #[must_use]
    pub fn over(self, present: LimitSettings) -> LimitSettings {
        LimitSettings {
            wall: self.wall.over(present.wall),
            idle: self.idle.over(present.idle),
            tool_idle: self.tool_idle.over(present.tool_idle),
            start: self.start.over(present.start),
            max_turns: self.max_turns.over(present.max_turns),
            max_budget_usd: self.max_budget_usd.over(present.max_budget_usd),
        }
    }
}
