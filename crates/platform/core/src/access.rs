//! The rights of callers.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::ProjectName;

/// A right to use a part of the API, named `<area>:<action>` like `webhooks:read`.
///
/// The set is open: each domain defines its own scopes as constants, and a store returns the scopes that it
/// was given. Two rules hold for all scopes: [`Scope::ADMIN`] includes every scope, and `<area>:write`
/// includes `<area>:read`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Cow<'static, str>);

/// The error for a text that is not a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be `admin`, or an area and an action like `webhooks:read`")]
pub struct ScopeError;

impl Scope {
    /// The scope that includes everything, also API keys and operations that a domain reserves for
    /// administrators.
    pub const ADMIN: Self = Self::new("admin");

    /// Creates a scope that a domain defines.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Returns the name, as in the API.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether this scope permits an operation that requires `needed`.
    #[must_use]
    pub fn includes(&self, needed: &Self) -> bool {
        let area = |scope: &Self, action| scope.0.strip_suffix(action).map(str::to_owned);
        *self == Self::ADMIN
            || self == needed
            || area(self, ":write").is_some_and(|written| area(needed, ":read") == Some(written))
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        let is_scope = text == "admin"
            || text.split_once(':').is_some_and(|(area, action)| is_word(area) && is_word(action));
        if is_scope { Ok(Self(Cow::Owned(text.to_owned()))) } else { Err(ScopeError) }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The rights of a caller: its scopes and its projects.
///
/// A project-scoped caller sees only entities that belong to its projects; for it, no others exist. Each
/// domain defines which entities belong to a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The scopes of the caller.
    pub scopes: BTreeSet<Scope>,
    /// The projects of a project-scoped caller; `None` for a caller that sees everything.
    pub projects: Option<BTreeSet<ProjectName>>,
}

impl Access {
    /// Returns the access of a caller with these scopes that sees everything.
    #[must_use]
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self { scopes: scopes.into_iter().collect(), projects: None }
    }

    /// Restricts the caller to these projects.
    #[must_use]
    pub fn with_projects(mut self, projects: impl IntoIterator<Item = ProjectName>) -> Self {
        self.projects = Some(projects.into_iter().collect());
        self
    }

    /// Returns the access of the service itself, which sees everything. It has no scopes: only requests need
    /// them.
    #[must_use]
    pub fn everything() -> &'static Self {
        static EVERYTHING: Access = Access { scopes: BTreeSet::new(), projects: None };
        &EVERYTHING
    }

    /// Returns the access of an administrator: to everything.
    #[must_use]
    pub fn administrator() -> Self {
        Self::new([Scope::ADMIN])
    }

    /// Returns whether the caller may perform an operation that requires `needed`.
    #[must_use]
    pub fn allows(&self, needed: &Scope) -> bool {
        self.scopes.iter().any(|scope| scope.includes(needed))
    }

    /// Returns whether the caller sees entities of `project`; `None` stands for entities without a project.
    #[must_use]
    pub fn sees_project(&self, project: Option<&ProjectName>) -> bool {
        match &self.projects {
            None => true,
            Some(mine) => project.is_some_and(|project| mine.contains(project)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS_WRITE: Scope = Scope::new("events:write");
    const WEBHOOKS_READ: Scope = Scope::new("webhooks:read");
    const WEBHOOKS_WRITE: Scope = Scope::new("webhooks:write");

    fn access(scopes: &[Scope], projects: Option<&[&str]>) -> Access {
        Access {
            scopes: scopes.iter().cloned().collect(),
            projects: projects.map(|names| names.iter().map(|name| name.parse().unwrap()).collect()),
        }
    }

    #[test]
    fn admin_includes_every_scope_and_write_includes_read() {
        for (has, needed) in [
            (Scope::ADMIN, EVENTS_WRITE),
            (Scope::ADMIN, Scope::ADMIN),
            (WEBHOOKS_WRITE, WEBHOOKS_READ),
            (WEBHOOKS_READ, WEBHOOKS_READ),
            (EVENTS_WRITE, EVENTS_WRITE),
        ] {
            assert!(access(std::slice::from_ref(&has), None).allows(&needed), "{has} {needed}");
        }
        for (has, needed) in [
            (EVENTS_WRITE, WEBHOOKS_READ),
            (WEBHOOKS_WRITE, EVENTS_WRITE),
            (WEBHOOKS_READ, WEBHOOKS_WRITE),
            (WEBHOOKS_WRITE, Scope::ADMIN),
        ] {
            assert!(!access(std::slice::from_ref(&has), None).allows(&needed), "{has} {needed}");
        }
        assert!(!access(&[], None).allows(&WEBHOOKS_READ));
    }

    #[test]
    fn a_scope_round_trips_and_other_texts_are_refused() {
        for text in ["admin", "webhooks:read", "commands:write", "event_types:read"] {
            assert_eq!(text.parse::<Scope>().unwrap().as_str(), text);
        }
        for text in ["", "root", "webhooks", "webhooks:", ":read", "Webhooks:read", "webhooks:read:all"] {
            assert_eq!(text.parse::<Scope>(), Err(ScopeError), "{text}");
        }
    }

    #[test]
    fn a_project_scoped_caller_sees_nothing_without_a_project() {
        let limited = access(&[Scope::ADMIN], Some(&["a"]));
        let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
        assert!(limited.sees_project(Some(&a)));
        assert!(!limited.sees_project(Some(&b)));
        assert!(!limited.sees_project(None));
        assert!(Access::administrator().sees_project(None));
    }
}
