//! What the stores of the command runner share: [`Signals`].

mod signals;

pub use signals::Signals;
