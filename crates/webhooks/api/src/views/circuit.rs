//! The circuit of a webhook's endpoint as the API shows it.

use std::fmt;

use rdev_webhooks_domain::{Circuit, Health, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::Text;
use crate::schema_types as types;

/// The health of a webhook's endpoint.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = Circuit)]
pub(crate) struct CircuitView {
    #[schema(value_type = types::CircuitState)]
    state: &'static str,
    /// Until when nothing is sent; `null` unless the circuit is `open`.
    #[schema(value_type = Option<types::Timestamp>, required)]
    open_until: Option<Text<Timestamp>>,
    /// Consecutive attempts that found the endpoint unreachable, broken or overloaded: no response, 429 or 5xx.
    consecutive_failures: u32,
    /// Since when every attempt has failed, for whatever reason; `null` otherwise.
    #[schema(value_type = Option<types::Timestamp>, required)]
    failing_since: Option<Text<Timestamp>>,
}

impl CircuitView {
    /// Returns the circuit at `now`.
    pub(crate) fn new(health: &Health, now: Timestamp) -> Self {
        let circuit = match health.circuit(now) {
            // The circuit waits for the result of the probe.
            Circuit::Open { .. } if health.is_probing => Circuit::HalfOpen,
            circuit => circuit,
        };
        let open_until = match circuit {
            Circuit::Open { until } => Some(Text(until)),
            Circuit::Closed | Circuit::HalfOpen => None,
        };
        Self {
            state: circuit.as_str(),
            open_until,
            consecutive_failures: health.consecutive_failures,
            failing_since: health.failing_since.map(Text),
        }
    }

    /// Returns whether the endpoint is healthy.
    pub(crate) const fn is_well(&self) -> bool {
        self.failing_since.is_none()
    }
}

/// Writes a text that differs whenever the view differs.
impl fmt::Display for CircuitView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |at: &Option<Text<Timestamp>>| at.as_ref().map_or(0, |at| at.0.as_micros());
        let (until, since) = (micros(&self.open_until), micros(&self.failing_since));
        write!(f, "{}-{}-{until}-{since}", self.state, self.consecutive_failures)
    }
}
