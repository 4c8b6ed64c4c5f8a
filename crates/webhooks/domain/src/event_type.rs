//! Event types, and the patterns that webhooks subscribe by.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a kind of event: 1 to 128 characters, segments of ASCII letters, digits and
/// underscores separated by full stops, as the Standard Webhooks specification asks:
/// `command.completed`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(Arc<str>);

/// Why a text is not an event type, or not a pattern of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventTypeError {
    /// Not the name of an event type.
    #[error(
        "must be 1 to {MAX_LEN} letters, digits and underscores in segments separated by full stops, like command.completed"
    )]
    Name,
    /// Not a pattern either.
    #[error("must be an event type like command.completed, a prefix like command.*, or *")]
    Pattern,
}

const MAX_LEN: usize = 128;

/// The event types that are always there.
pub mod builtin {
    /// What `POST /webhooks/{id}/test` sends. No producer may publish it.
    pub const WEBHOOK_TEST: &str = "webhook.test";

    /// A webhook was disabled without its owner's doing.
    pub const WEBHOOK_DISABLED: &str = "webhook.disabled";

    /// The types that tell of the system itself, with what each means. Anybody may subscribe to them, by
    /// name or by `webhook.*`; `*` does not match them, and no producer may publish them.
    pub const OPERATIONAL: [(&str, &str); 1] =
        [(WEBHOOK_DISABLED, "A webhook was disabled because its endpoint is gone or failed for too long.")];

    /// The types that producers publish without registering them, with what each means.
    pub const COMMANDS: [(&str, &str); 3] = [
        ("command.started", "A command started."),
        ("command.completed", "A command completed successfully."),
        ("command.failed", "A command failed."),
    ];

    /// What the names begin with that are the system's own: this segment.
    pub(super) const SYSTEM: &str = "webhook";
}

impl EventType {
    /// The type of test deliveries, [`builtin::WEBHOOK_TEST`].
    #[must_use]
    pub fn webhook_test() -> Self {
        Self(builtin::WEBHOOK_TEST.into())
    }

    /// The type that tells of a webhook that was disabled, [`builtin::WEBHOOK_DISABLED`].
    #[must_use]
    pub fn webhook_disabled() -> Self {
        Self(builtin::WEBHOOK_DISABLED.into())
    }

    /// Whether it tells of the system itself; see [`builtin::OPERATIONAL`].
    #[must_use]
    pub fn is_operational(&self) -> bool {
        builtin::OPERATIONAL.iter().any(|(name, _)| *name == self.as_str())
    }

    /// Whether producers may publish it without anybody registering it; see [`builtin::COMMANDS`].
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        builtin::COMMANDS.iter().any(|(name, _)| *name == self.as_str())
    }

    /// Whether the name is the system's own, `webhook` or one like `webhook.test`: nobody may register it.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.as_str().split('.').next() == Some(builtin::SYSTEM)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Every pattern that matches this type, the most specific first: for `command.completed` that is
    /// `command.completed`, `command.*` and `*`. A store looks subscriptions up by these. An operational
    /// type is not matched by `*`.
    pub fn matching_patterns(&self) -> impl Iterator<Item = String> + '_ {
        let name = self.as_str();
        let prefixes = name.rmatch_indices('.').map(|(dot, _)| format!("{}.*", &name[..dot]));
        let everything = (!self.is_operational()).then(|| "*".to_owned());
        std::iter::once(name.to_owned()).chain(prefixes).chain(everything)
    }
}

impl FromStr for EventType {
    type Err = EventTypeError;

    fn from_str(text: &str) -> Result<Self, EventTypeError> {
        if is_name(text) { Ok(Self(text.into())) } else { Err(EventTypeError::Name) }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a webhook subscribes to: one event type, all types under a prefix (`command.*`), or every
/// type (`*`), save the operational ones, which tell of the system itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventPattern(Arc<str>);

impl EventPattern {
    /// The pattern's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an event of that type is subscribed to.
    #[must_use]
    pub fn matches(&self, event_type: &EventType) -> bool {
        match self.0.strip_suffix('*') {
            Some("") => !event_type.is_operational(),
            Some(prefix) => event_type.as_str().starts_with(prefix),
            None => *self.0 == *event_type.0,
        }
    }
}

impl FromStr for EventPattern {
    type Err = EventTypeError;

    fn from_str(text: &str) -> Result<Self, EventTypeError> {
        let name = text.strip_suffix(".*").unwrap_or(text);
        if text == "*" || is_name(name) { Ok(Self(text.into())) } else { Err(EventTypeError::Pattern) }
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_name(text: &str) -> bool {
    let segment = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    text.len() <= MAX_LEN && text.split('.').all(segment)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_are_not_names_are_refused() {
        for text in ["", ".", "a.", ".a", "a..b", "a b", "a-b", "a.*", "*", "é", &"a".repeat(129)] {
            assert!(text.parse::<EventType>().is_err(), "{text}");
        }
        for text in ["", "**", "*.a", "a*", "a.*.b", "a.", ".*"] {
            assert!(text.parse::<EventPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_systems_own_names_are_reserved() {
        for (name, reserved) in [
            ("webhook", true),
            ("webhook.test", true),
            ("webhook.a.b", true),
            ("webhooks.a", false),
            ("command.webhook", false),
            ("Webhook.a", false),
        ] {
            assert_eq!(name.parse::<EventType>().unwrap().is_reserved(), reserved, "{name}");
        }
        assert!(
            builtin::OPERATIONAL.iter().all(|(name, _)| name.parse::<EventType>().unwrap().is_reserved())
        );
        assert!(EventType::webhook_test().is_reserved());
        assert!(!"command.failed".parse::<EventType>().unwrap().is_reserved());
    }

    #[test]
    fn a_prefix_ends_at_a_full_stop() {
        let pattern: EventPattern = "command.*".parse().unwrap();
        assert!(pattern.matches(&"command.completed".parse().unwrap()));
        assert!(pattern.matches(&"command.a.b".parse().unwrap()));
        assert!(!pattern.matches(&"commander.x".parse().unwrap()));
        assert!(!pattern.matches(&"command".parse().unwrap()));
    }

    #[test]
    fn what_tells_of_the_system_is_subscribed_to_on_purpose() {
        let disabled = EventType::webhook_disabled();
        assert_eq!(disabled.matching_patterns().collect::<Vec<_>>(), ["webhook.disabled", "webhook.*"]);
        assert!(!"*".parse::<EventPattern>().unwrap().matches(&disabled));
        assert!("webhook.*".parse::<EventPattern>().unwrap().matches(&disabled));
    }

    proptest! {
        #[test]
        fn matching_patterns_are_just_those_that_match(
            name in "([ab]{1,2}(\\.[ab]{1,2}){0,3}|webhook\\.(disabled|test))",
            other in "([ab]{1,2}(\\.[ab]{1,2}){0,3}(\\.\\*)?|webhook\\.(disabled|\\*)|\\*)",
        ) {
            let name: EventType = name.parse().unwrap();
            let other: EventPattern = other.parse().unwrap();
            let listed = name.matching_patterns().any(|pattern| pattern == other.as_str());
            prop_assert_eq!(listed, other.matches(&name));
        }
    }
}
