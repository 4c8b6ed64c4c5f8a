//! What the stores of the webhooks share: all that does not depend on their databases.

mod advance_claims;
pub mod damage;
mod new_deliveries;
mod transition;
mod wake_ups;

pub use advance_claims::{AdvanceClaims, UnusedClaim};
pub use new_deliveries::NewDeliveries;
pub use transition::Transition;
pub use wake_ups::WakeUps;
