//! Which event types there are.

use rdev_webhooks_domain::{EventPattern, EventType, builtin};

/// The event types that may be published and subscribed to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Catalogue;

impl Catalogue {
    /// Whether producers may publish events of that type.
    #[must_use]
    pub fn is_known(&self, event_type: &EventType) -> bool {
        builtin::COMMANDS.iter().any(|(name, _)| *name == event_type.as_str())
    }

    /// Whether the pattern matches a type that may be published, or one that tells of the system itself:
    /// one that does not is a slip of the pen that would wait in silence.
    #[must_use]
    pub fn matches_any(&self, pattern: &EventPattern) -> bool {
        // `matches` agrees with `matching_patterns` by the domain's own test.
        let prefix = pattern.as_str().strip_suffix('*');
        self.subscribable().any(|name| match prefix {
            Some(prefix) => name.starts_with(prefix),
            None => name == pattern.as_str(),
        })
    }

    /// The names of the types that may be published.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        builtin::COMMANDS.iter().map(|(name, _)| *name)
    }

    /// The names of the types that may be subscribed to: those that may be published, and those that tell
    /// of the system itself.
    pub fn subscribable(&self) -> impl Iterator<Item = &'static str> {
        self.names().chain(builtin::OPERATIONAL.iter().map(|(name, _)| *name))
    }
}
