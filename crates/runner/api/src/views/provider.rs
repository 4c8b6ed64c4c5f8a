//! A provider as the API shows it.

use rdev_http::Text;
use rdev_runner_app::ProviderStatus;
use rdev_runner_domain::{AgentProvider, Capabilities};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema_types as types;

/// A registered agent.
#[derive(Serialize, ToSchema)]
#[schema(as = Provider)]
pub(crate) struct ProviderView<'a> {
    /// The `type` of its commands.
    #[schema(value_type = types::AgentProvider)]
    name: Text<&'a AgentProvider>,
    /// True for the provider of commands that name none.
    default: bool,
    /// True if it can run now.
    available: bool,
    /// Why it cannot run, and what to do; `null` if it can.
    #[schema(required)]
    unavailable_reason: Option<&'a str>,
    /// The version of the installed agent; `null` if it cannot run.
    #[schema(required)]
    version: Option<&'a str>,
    capabilities: CapabilitiesView,
}

/// What a provider can do. A command that asks for anything else is refused.
#[derive(Serialize, ToSchema)]
#[schema(as = Capabilities)]
struct CapabilitiesView {
    /// It can continue a session (`session.resume`).
    resume: bool,
    /// It can continue a copy of a session (`session.fork`).
    fork: bool,
    /// It can keep `limits.max_turns`.
    max_turns: bool,
    /// It can keep `limits.max_budget_usd`.
    max_budget: bool,
    /// It can run with the permissions `full` on the runner's host.
    full_permissions: bool,
}

impl From<Capabilities> for CapabilitiesView {
    fn from(capabilities: Capabilities) -> Self {
        let Capabilities { resume, fork, max_turns, max_budget, full_permissions } = capabilities;
        Self { resume, fork, max_turns, max_budget, full_permissions }
    }
}

impl<'a> From<&'a ProviderStatus> for ProviderView<'a> {
    fn from(status: &'a ProviderStatus) -> Self {
        let (version, unavailable) = match &status.availability {
            Ok(version) => (Some(version.0.as_str()), None),
            Err(unavailable) => (None, Some(unavailable.0.as_str())),
        };
        Self {
            name: Text(&status.provider),
            default: status.is_default,
            available: version.is_some(),
            unavailable_reason: unavailable,
            version,
            capabilities: status.capabilities.into(),
        }
    }
}
