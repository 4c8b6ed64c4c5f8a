//! Event types, and the patterns of subscriptions.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a kind of event: 1 to 128 characters, segments of ASCII letters, digits and underscores
/// separated by full stops, as the Standard Webhooks specification requires: `command.completed`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(Arc<str>);

/// The reason why a text is not an event type or not a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventTypeError {
    /// The text is not an event type.
    #[error(
        "must be 1 to {MAX_LEN} letters, digits and underscores in segments separated by full stops, like command.completed"
    )]
    Name,
    /// The text is neither an event type nor a pattern.
    #[error("must be an event type like command.completed, a prefix like command.*, or *")]
    Pattern,
}

const MAX_LEN: usize = 128;

/// The built-in event types.
pub mod builtin {
    /// The type of the events that `POST /webhooks/{id}/test` sends. Producers cannot publish it.
    pub const WEBHOOK_TEST: &str = "webhook.test";

    /// The type of the event that a webhook was disabled without its owner's request.
    pub const WEBHOOK_DISABLED: &str = "webhook.disabled";

    /// The type of the event that the circuit of a webhook's endpoint has opened.
    pub const WEBHOOK_FAILING: &str = "webhook.failing";

    /// The type of the event that a webhook that was reported as failing works again.
    pub const WEBHOOK_RECOVERED: &str = "webhook.recovered";

    /// The type of the event that a delivery has failed.
    pub const DELIVERY_FAILED: &str = "delivery.failed";

    /// The type of the event that a replay is completed.
    pub const REPLAY_COMPLETED: &str = "replay.completed";

    /// The operational event types, with descriptions. Any webhook can subscribe to them, by name or by a
    /// prefix such as `webhook.*`. `*` does not match them, and producers cannot publish them.
    pub const OPERATIONAL: [(&str, &str); 5] = [
        (
            WEBHOOK_DISABLED,
            "A webhook was disabled because it expired, or its endpoint is gone or failed for too long.",
        ),
        (WEBHOOK_FAILING, "The endpoint of a webhook keeps failing: its circuit has opened."),
        (WEBHOOK_RECOVERED, "A webhook that was reported as failing works again."),
        (DELIVERY_FAILED, "A delivery has failed: no further attempt follows."),
        (REPLAY_COMPLETED, "All deliveries of a replay have ended."),
    ];

    /// The event types that producers publish without registration, with descriptions.
    pub const COMMANDS: [(&str, &str); 3] = [
        ("command.started", "A command started."),
        ("command.completed", "A command completed successfully."),
        ("command.failed", "A command failed."),
    ];

    /// Returns an example of the data of a command's event; `None` for other types.
    #[must_use]
    pub fn example(event_type: &str) -> Option<&'static str> {
        match event_type {
            "command.started" => Some(r#"{"command_id":"cmd-123","project":"my-project","type":"claude"}"#),
            "command.completed" => Some(
                r#"{"command_id":"cmd-123","project":"my-project","type":"claude","exit_code":0,"duration_ms":5432}"#,
            ),
            "command.failed" => Some(
                r#"{"command_id":"cmd-123","project":"my-project","type":"claude","exit_code":1,"duration_ms":5432}"#,
            ),
            _ => None,
        }
    }

    /// The first segment of the reserved names.
    pub(super) const SYSTEM: &str = "webhook";
}

impl EventType {
    /// Returns the type of test deliveries, [`builtin::WEBHOOK_TEST`].
    #[must_use]
    pub fn webhook_test() -> Self {
        Self(builtin::WEBHOOK_TEST.into())
    }

    /// Returns the type of the event that a webhook was disabled, [`builtin::WEBHOOK_DISABLED`].
    #[must_use]
    pub fn webhook_disabled() -> Self {
        Self(builtin::WEBHOOK_DISABLED.into())
    }

    /// Returns [`builtin::WEBHOOK_FAILING`].
    #[must_use]
    pub fn webhook_failing() -> Self {
        Self(builtin::WEBHOOK_FAILING.into())
    }

    /// Returns [`builtin::WEBHOOK_RECOVERED`].
    #[must_use]
    pub fn webhook_recovered() -> Self {
        Self(builtin::WEBHOOK_RECOVERED.into())
    }

    /// Returns [`builtin::DELIVERY_FAILED`].
    #[must_use]
    pub fn delivery_failed() -> Self {
        Self(builtin::DELIVERY_FAILED.into())
    }

    /// Returns [`builtin::REPLAY_COMPLETED`].
    #[must_use]
    pub fn replay_completed() -> Self {
        Self(builtin::REPLAY_COMPLETED.into())
    }

    /// Returns whether the type is operational; see [`builtin::OPERATIONAL`].
    #[must_use]
    pub fn is_operational(&self) -> bool {
        builtin::OPERATIONAL.iter().any(|(name, _)| *name == self.as_str())
    }

    /// Returns whether producers can publish it without registration; see [`builtin::COMMANDS`].
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        builtin::COMMANDS.iter().any(|(name, _)| *name == self.as_str())
    }

    /// Returns whether the name is reserved: that of an operational type, `webhook`, or one like `webhook.test`. It
    /// cannot be registered.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.is_operational() || self.as_str().split('.').next() == Some(builtin::SYSTEM)
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns every pattern that matches this type, the most specific first: for `command.completed` these
    /// are `command.completed`, `command.*` and `*`. A store looks subscriptions up by them. `*` does not
    /// match an operational type.
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

/// An entry of a webhook's subscription: one event type, all types under a prefix (`command.*`), or every
/// type (`*`) except the operational ones.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventPattern(Arc<str>);

impl EventPattern {
    /// Returns the pattern's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the pattern matches the event type.
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
    fn other_texts_are_refused() {
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
            ("delivery.failed", true),
            ("delivery.failed.a", false),
            ("delivery.shipped", false),
            ("replay.completed", true),
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
    fn a_star_does_not_match_operational_types() {
        let disabled = EventType::webhook_disabled();
        assert_eq!(disabled.matching_patterns().collect::<Vec<_>>(), ["webhook.disabled", "webhook.*"]);
        assert!(!"*".parse::<EventPattern>().unwrap().matches(&disabled));
        assert!("webhook.*".parse::<EventPattern>().unwrap().matches(&disabled));
        let failed = EventType::delivery_failed();
        assert_eq!(failed.matching_patterns().collect::<Vec<_>>(), ["delivery.failed", "delivery.*"]);
    }

    proptest! {
        #[test]
        fn matching_patterns_are_just_those_that_match(
            name in "([ab]{1,2}(\\.[ab]{1,2}){0,3}|webhook\\.(disabled|test)|delivery\\.failed)",
            other in "([ab]{1,2}(\\.[ab]{1,2}){0,3}(\\.\\*)?|webhook\\.(disabled|\\*)|delivery\\.\\*|\\*)",
        ) {
            let name: EventType = name.parse().unwrap();
            let other: EventPattern = other.parse().unwrap();
            let listed = name.matching_patterns().any(|pattern| pattern == other.as_str());
            prop_assert_eq!(listed, other.matches(&name));
        }
    }
}
