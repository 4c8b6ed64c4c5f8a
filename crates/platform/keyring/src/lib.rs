//! Encryption of secrets at rest, with key rotation.
//!
//! Stored secrets are encrypted and authenticated with XChaCha20-Poly1305, with a key that stays outside the
//! store. Each sealed value is bound to *associated data*, the identity of its record: copied to another
//! record it does not open.
//!
//! ```
//! use rdev_keyring::{EncryptionKey, Keyring, OpenError};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let entropy = [7; 32];
//! // 32 bytes from a cryptographically secure generator.
//! let keyring = Keyring::new(EncryptionKey::generate(entropy));
//!
//! let sealed = keyring.seal(b"whsec_...", b"webhook whk_1 secret")?;
//! let opened = keyring.open(&sealed, b"webhook whk_1 secret")?;
//! assert_eq!(*opened, b"whsec_...");
//!
//! let elsewhere = keyring.open(&sealed, b"webhook whk_2 secret");
//! assert_eq!(elsewhere.err(), Some(OpenError::Tampered));
//! # Ok(())
//! # }
//! ```
//!
//! # Rotating the key
//!
//! A [`Keyring`] is written as a list: the first key encrypts and all decrypt. To rotate, put a new key in
//! front and restart; reseal every value for which [`Keyring::needs_reseal`] returns true; then remove the
//! old key from the list.
//!
//! ```
//! use rdev_keyring::{EncryptionKey, Keyring};
//! use secrecy::ExposeSecret;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (old, new) = ([1; 32], [2; 32]);
//! let old = EncryptionKey::generate(old).expose_base64();
//! let new = EncryptionKey::generate(new).expose_base64();
//! let before: Keyring = old.expose_secret().parse()?;
//! let during: Keyring = format!("{}, {}", new.expose_secret(), old.expose_secret()).parse()?;
//! let after: Keyring = new.expose_secret().parse()?;
//!
//! let mut stored = before.seal(b"whsec_...", b"record")?;
//! if let Some(resealed) = during.reseal(&stored, b"record")? {
//!     stored = resealed;
//! }
//! assert_eq!(*after.open(&stored, b"record")?, b"whsec_...");
//! # Ok(())
//! # }
//! ```
//!
//! # Format
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the version of the format: 1 |
//! | 4 | the [`KeyId`] of the key |
//! | 24 | the nonce |
//! | as many as the plaintext | the ciphertext |
//! | 16 | the Poly1305 tag |
//!
//! A sealed value is [`OVERHEAD`] bytes longer than its plaintext. The tag does not cover the version and the
//! key id and need not cover them: they only choose how the rest is read, and with another key the tag fails.
//!
//! The cipher is the construction of [draft-irtf-cfrg-xchacha]. Its nonces are long enough to be random for
//! as many values as a store will ever contain.
//!
//! [draft-irtf-cfrg-xchacha]: https://datatracker.ietf.org/doc/html/draft-irtf-cfrg-xchacha-03

mod encryption_key;
mod envelope;
pub mod key_check;
mod key_id;
mod keyring;
mod parse;
mod reseal;
mod rotation;
mod sealed_column;

pub use encryption_key::{EncryptionKey, EncryptionKeyError};
pub use envelope::OVERHEAD;
pub use key_id::KeyId;
pub use keyring::{Keyring, OpenError, ResealError, SealError};
pub use parse::KeyringError;
pub use reseal::{BATCH_SIZE as RESEAL_BATCH_SIZE, Replacement, SealedStore, SealedValue, reseal};
pub use rotation::{RotationReport, RotationTally};
pub use sealed_column::SealedColumn;
