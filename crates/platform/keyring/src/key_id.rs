//! The id of the key that sealed a value.

use std::fmt;

use sha2::{Digest, Sha256};

/// The id of an [`EncryptionKey`](crate::EncryptionKey), which the values that the key sealed contain: the
/// first four bytes of a hash of the key. It is not secret: the key is random, so the id reveals nothing
/// about it.
///
/// [`Display`](fmt::Display) writes eight hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; Self::LEN]);

impl KeyId {
    /// The length of an id, in bytes.
    pub(crate) const LEN: usize = 4;

    /// Separates this use of the key's hash from any other, now or later.
    const DOMAIN: &[u8] = b"rdev-webhooks keyring: key id, version 1\0";

    pub(crate) fn of_key(key: &[u8]) -> Self {
        let hash: [u8; 32] = Sha256::new().chain_update(Self::DOMAIN).chain_update(key).finalize().into();
        let [a, b, c, d, ..] = hash;
        Self([a, b, c, d])
    }

    pub(crate) const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Returns the four bytes, as they follow the first byte of a sealed value.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_key_never_changes() {
        // Stored values name keys by their id: with another derivation, none of them would open.
        assert_eq!(KeyId::of_key(&[0x2A; 32]).to_string(), "9b63f82a");
    }

    #[test]
    fn an_id_shows_all_its_digits() {
        assert_eq!(KeyId::from_bytes([0, 0, 1, 0xAB]).to_string(), "000001ab");
    }
}
