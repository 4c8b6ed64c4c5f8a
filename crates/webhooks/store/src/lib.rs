//! What the stores of the webhooks share: all that does not depend on their databases.

pub mod damage;
mod transition;

pub use transition::Transition;
