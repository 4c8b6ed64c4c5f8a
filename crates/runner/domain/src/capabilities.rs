//! The abilities of a provider.

/// What a provider can do. A request for anything else is refused before it is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// It can continue a session.
    pub resume: bool,
    /// It can continue a copy of a session.
    pub fork: bool,
    /// It can end a run after a number of turns.
    pub max_turns: bool,
    /// It can end a run that would exceed a budget.
    pub max_budget: bool,
    /// It can run with the permission profile `full` on this host.
    pub full_permissions: bool,
}

impl Capabilities {
    /// Everything.
    pub const ALL: Self =
        Self { resume: true, fork: true, max_turns: true, max_budget: true, full_permissions: true };

    /// Nothing but a plain run.
    pub const NONE: Self =
        Self { resume: false, fork: false, max_turns: false, max_budget: false, full_permissions: false };
}
