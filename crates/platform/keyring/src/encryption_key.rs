//! An encryption key.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeSliceError, Engine};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::key_id::KeyId;

/// The length of a key in bytes.
const KEY_LEN: usize = 32;

/// The length of a key's text: 32 bytes in padded base64.
const TEXT_LEN: usize = KEY_LEN.div_ceil(3) * 4;

/// A key that encrypts and decrypts: 32 random bytes.
///
/// Its text, which [`FromStr`] parses and [`expose_base64`](Self::expose_base64) returns, is those bytes in
/// standard base64 with padding. It has no `Display`, and its `Debug` shows only the id. Clones share the
/// key, which is on the heap and is wiped when the last clone is dropped.
#[derive(Clone)]
pub struct EncryptionKey {
    bytes: Arc<Zeroizing<[u8; KEY_LEN]>>,
    id: KeyId,
}

impl EncryptionKey {
    /// Creates a key. `entropy` becomes the key: it must come from a cryptographically secure generator and
    /// serve nothing else.
    pub fn generate(entropy: [u8; 32]) -> Self {
        Self::from_bytes(Zeroizing::new(entropy))
    }

    /// Returns the key's id, which sealed values contain.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Returns the key's text, for the configuration. Parsing it gives the same key.
    pub fn expose_base64(&self) -> SecretString {
        // Allocated with its exact size: growing would leave a copy of the key behind.
        let mut text = String::with_capacity(TEXT_LEN);
        STANDARD.encode_string(self.bytes.as_slice(), &mut text);
        text.into()
    }

    pub(crate) fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&**self.bytes).into())
    }

    fn from_bytes(bytes: Zeroizing<[u8; KEY_LEN]>) -> Self {
        let id = KeyId::of_key(bytes.as_slice());
        Self { bytes: Arc::new(bytes), id }
    }
}

impl FromStr for EncryptionKey {
    type Err = EncryptionKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        match STANDARD.decode_slice(text, bytes.as_mut_slice()) {
            Ok(KEY_LEN) => Ok(Self::from_bytes(bytes)),
            Ok(_) | Err(DecodeSliceError::OutputSliceTooSmall) => Err(EncryptionKeyError::Length),
            Err(DecodeSliceError::DecodeError(_)) => Err(EncryptionKeyError::Base64),
        }
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionKey({}, [redacted])", self.id)
    }
}

/// The reason why a text is not an [`EncryptionKey`]. The message never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptionKeyError {
    /// The text is not standard base64 with padding.
    #[error("must be 32 bytes in standard base64 with padding; this is not base64")]
    Base64,
    /// The text is base64, but not of 32 bytes.
    #[error("must be exactly 32 bytes in base64; this has another length")]
    Length,
}
