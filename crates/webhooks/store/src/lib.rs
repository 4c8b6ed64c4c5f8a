//! What the stores of the webhooks share: all that does not depend on their databases.

pub mod damage;
mod transition;
mod wake_ups;

pub use transition::Transition;
pub use wake_ups::WakeUps;
