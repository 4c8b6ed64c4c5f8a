//! Secrets: values that the keyring seals before they reach SQLite.

pub(crate) mod key_checks;
pub(crate) mod resealing;
pub(crate) mod sealing;
