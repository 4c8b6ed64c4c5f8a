//! The key of the HMAC-SHA256 scheme.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::content::SignedContent;

/// The block length of SHA-256, and the length of the longest key that HMAC uses unhashed.
const BLOCK_LEN: usize = 64;

/// The length of a tag in bytes.
pub(crate) const TAG_LEN: usize = 32;

/// A symmetric key with its keyed state, which is computed once: a signature starts from a copy of the state
/// and spends no hashing on the key.
pub(crate) struct SymmetricKey {
    /// The key, followed by zeros.
    block: Zeroizing<[u8; BLOCK_LEN]>,
    len: usize,
    keyed: Hmac<Sha256>,
}

impl SymmetricKey {
    /// The shortest key that the specification allows, in bytes.
    pub(crate) const MIN_LEN: usize = 24;
    /// The longest key that the specification allows, in bytes.
    pub(crate) const MAX_LEN: usize = BLOCK_LEN;

    /// Returns `None` unless the key has [`MIN_LEN`](Self::MIN_LEN) to [`MAX_LEN`](Self::MAX_LEN) bytes.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        (Self::MIN_LEN..=Self::MAX_LEN).contains(&key.len()).then(|| Self::keyed(key))
    }

    /// Creates a key of the length of generated keys.
    pub(crate) fn from_32(key: &[u8; 32]) -> Self {
        Self::keyed(key)
    }

    /// Creates a key. Both callers have checked that it fits a block.
    fn keyed(key: &[u8]) -> Self {
        // HMAC pads a short key with zeros to a whole block (RFC 2104, section 2); doing so here gives the
        // one length for which keying cannot fail.
        let mut block = Zeroizing::new([0; BLOCK_LEN]);
        block[..key.len()].copy_from_slice(key);
        let keyed = Hmac::new((&*block).into());
        Self { block, len: key.len(), keyed }
    }

    /// Returns the key itself, without padding.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.block[..self.len]
    }

    /// Computes the tag of the content.
    pub(crate) fn tag(&self, content: &SignedContent<'_>) -> [u8; TAG_LEN] {
        let mut mac = self.keyed.clone();
        for part in content.parts() {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_key_signs_as_the_key_itself() {
        for len in SymmetricKey::MIN_LEN..=SymmetricKey::MAX_LEN {
            let bytes = vec![0x42; len];
            let key = SymmetricKey::new(&bytes).unwrap();
            let reference =
                Hmac::<Sha256>::new_from_slice(&bytes).unwrap().chain_update(b"msg_1.12.{}").finalize();
            let tag = key.tag(&SignedContent::new("msg_1", "12", b"{}"));
            assert_eq!(tag.as_slice(), reference.as_bytes().as_slice());
            assert_eq!(key.as_bytes(), bytes);
        }
    }

    #[test]
    fn keys_of_other_lengths_are_refused() {
        for len in [0, SymmetricKey::MIN_LEN - 1, SymmetricKey::MAX_LEN + 1] {
            assert!(SymmetricKey::new(&vec![0; len]).is_none());
        }
    }

    #[test]
    fn the_keyed_state_is_wiped_too() {
        // This holds only with the `zeroize` features enabled. `Hmac` has no such marker of its own; its
        // state is two of these hashes and a buffer.
        fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<Sha256>();
        wiped::<hmac::digest::block_buffer::EagerBuffer<hmac::digest::consts::U64>>();
    }
}
