//! The public API of the crate, in one integration binary.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it")]

mod keys;
mod properties;
mod sealing;

use rdev_keyring::{EncryptionKey, Keyring};
use secrecy::ExposeSecret;

fn key(seed: u8) -> EncryptionKey {
    EncryptionKey::generate([seed; 32])
}

/// Returns the text of a key.
fn text(seed: u8) -> String {
    key(seed).expose_base64().expose_secret().to_owned()
}

/// Returns a keyring of these keys, the first of which encrypts.
fn keyring(seeds: &[u8]) -> Keyring {
    let list: Vec<String> = seeds.iter().copied().map(text).collect();
    list.join(",").parse().unwrap()
}
