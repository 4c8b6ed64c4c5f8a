//! Encryption of secrets at rest: what is sealed, which keys the database needs, and their rotation.

pub(crate) mod key_checks;
pub(crate) mod resealing;
pub(crate) mod sealing;
