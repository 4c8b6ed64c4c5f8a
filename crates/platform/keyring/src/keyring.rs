//! The keyring: seals with the first key, opens with any.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{AeadInOut, Generate};
use zeroize::Zeroizing;

use crate::encryption_key::EncryptionKey;
use crate::envelope::{self, Envelope};
use crate::key_id::KeyId;

/// The encryption keys of secrets: the primary key, which encrypts, and any number of retired keys, which
/// only decrypt.
///
/// Its text is a comma-separated list with the primary key first; see [`FromStr`](std::str::FromStr) on this
/// type. Clones share the keys and are cheap; `Debug` shows only the keys' ids.
#[derive(Clone)]
pub struct Keyring {
    primary: EncryptionKey,
    retired: Arc<[EncryptionKey]>,
}

impl Keyring {
    /// Creates a keyring of one key, which encrypts and decrypts.
    pub fn new(primary: EncryptionKey) -> Self {
        Self::with_retired(primary, Vec::new())
    }

    /// Creates a keyring. The caller has checked that no two keys have the same id.
    pub(crate) fn with_retired(primary: EncryptionKey, retired: Vec<EncryptionKey>) -> Self {
        Self { primary, retired: retired.into() }
    }

    /// Encrypts `plaintext` with the primary key, in the format that the [crate](crate) describes. The result
    /// opens only with the same `associated_data`, which is not stored with it: use the identity of the
    /// record, and nothing that may change.
    ///
    /// The nonce comes from the operating system and not from the caller, because a nonce used twice would
    /// reveal the secrets.
    ///
    /// # Errors
    ///
    /// Fails with a [`SealError`]; nothing is encrypted.
    pub fn seal(&self, plaintext: &[u8], associated_data: &[u8]) -> Result<Vec<u8>, SealError> {
        // The only place that draws randomness instead of taking it as an argument: no caller, and no test
        // with a fixed source, can make a nonce repeat.
        let nonce = XNonce::try_generate().map_err(|error| SealError::Randomness(error.into()))?;
        let mut sealed = envelope::start(self.primary.id(), &nonce, plaintext.len());
        let ciphertext_at = sealed.len();
        sealed.extend_from_slice(plaintext);
        // In place: the plaintext was copied once, and the ciphertext overwrites that copy.
        let tag = self
            .primary
            .cipher()
            .encrypt_inout_detached(&nonce, associated_data, sealed[ciphertext_at..].as_mut().into())
            .map_err(|_| SealError::TooLong)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Decrypts the result of [`seal`](Self::seal), with the key that sealed it. The plaintext is wiped when
    /// it is dropped.
    ///
    /// # Errors
    ///
    /// - [`OpenError::Malformed`] if `sealed` is not a sealed value, or one of another version;
    /// - [`OpenError::UnknownKey`] if the key that sealed it is not in the keyring;
    /// - [`OpenError::Tampered`] if the bytes or the associated data are not those of the sealing.
    ///
    /// No input causes a panic.
    pub fn open(&self, sealed: &[u8], associated_data: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let Envelope { key_id, nonce, ciphertext, tag } =
            Envelope::parse(sealed).ok_or(OpenError::Malformed)?;
        let key = self.keys().find(|key| key.id() == key_id).ok_or(OpenError::UnknownKey { key_id })?;
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        key.cipher()
            .decrypt_inout_detached(&nonce, associated_data, plaintext.as_mut_slice().into(), &tag)
            .map_err(|_| OpenError::Tampered)?;
        Ok(plaintext)
    }

    /// Returns the id of the key that encrypts.
    pub const fn primary_key_id(&self) -> KeyId {
        self.primary.id()
    }

    /// Returns the ids of all keys, that of the primary key first.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys().map(EncryptionKey::id)
    }

    /// Returns the id of the key that sealed this; `None` if it is not a sealed value. The key need not be in
    /// any keyring, and nothing is verified.
    pub fn key_id_of(sealed: &[u8]) -> Option<KeyId> {
        Envelope::parse(sealed).map(|envelope| envelope.key_id)
    }

    /// Returns whether a value must be resealed because it was not sealed with the primary key. Also returns
    /// true for bytes that are not a sealed value: opening them will report that, and a rotation must not
    /// skip them silently.
    pub fn needs_reseal(&self, sealed: &[u8]) -> bool {
        Self::key_id_of(sealed) != Some(self.primary_key_id())
    }

    /// Opens `sealed` and seals it again with the primary key. Returns `None` if it already was sealed with
    /// that key.
    ///
    /// # Errors
    ///
    /// Fails as [`open`](Self::open) and [`seal`](Self::seal) do.
    pub fn reseal(&self, sealed: &[u8], associated_data: &[u8]) -> Result<Option<Vec<u8>>, ResealError> {
        if !self.needs_reseal(sealed) {
            return Ok(None);
        }
        let opened = self.open(sealed, associated_data)?;
        Ok(Some(self.seal(&opened, associated_data)?))
    }

    fn keys(&self) -> impl Iterator<Item = &EncryptionKey> {
        std::iter::once(&self.primary).chain(self.retired.iter())
    }
}

impl From<EncryptionKey> for Keyring {
    fn from(primary: EncryptionKey) -> Self {
        Self::new(primary)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("primary", &self.primary).field("retired", &self.retired).finish()
    }
}

/// The reason why a secret could not be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The operating system provided no random bytes for the nonce.
    #[error("the operating system returned no random bytes")]
    Randomness(#[source] Box<dyn Error + Send + Sync>),
    /// The plaintext is longer than the cipher's limit of about 256 GiB.
    #[error("the secret is too long to be sealed")]
    TooLong,
}

/// The reason why a sealed secret could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The bytes are not a sealed value: they are too short, or of an unknown version.
    #[error("not a sealed secret, or one of an unknown version")]
    Malformed,
    /// The key that sealed this is not in the keyring.
    #[error("sealed with the key {key_id}, which is not among the encryption keys")]
    UnknownKey {
        /// The id of the missing key.
        key_id: KeyId,
    },
    /// The bytes were altered, or belong to another record than that of the associated data.
    #[error("the sealed secret was altered or belongs to another record")]
    Tampered,
}

/// The reason why a sealed secret could not be resealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResealError {
    /// The value could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The value could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}
