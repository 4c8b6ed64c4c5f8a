//! The format of a sealed value, which the crate's documentation describes.

use chacha20poly1305::{Tag, XNonce};

use crate::key_id::KeyId;

/// The only version.
const VERSION: u8 = 1;

const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// The length of a sealed value minus that of its plaintext: 45 bytes.
pub const OVERHEAD: usize = 1 + KeyId::LEN + NONCE_LEN + TAG_LEN;

/// The parts of a sealed value.
pub(crate) struct Envelope<'a> {
    pub(crate) key_id: KeyId,
    pub(crate) nonce: XNonce,
    pub(crate) ciphertext: &'a [u8],
    pub(crate) tag: Tag,
}

impl<'a> Envelope<'a> {
    /// Parses a sealed value. Returns `None` for anything else, or for another version.
    pub(crate) fn parse(sealed: &'a [u8]) -> Option<Self> {
        let (&[VERSION], rest) = sealed.split_first_chunk()? else {
            return None;
        };
        let (&key_id, rest) = rest.split_first_chunk()?;
        let (&nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
        let (ciphertext, &tag) = rest.split_last_chunk::<TAG_LEN>()?;
        Some(Self { key_id: KeyId::from_bytes(key_id), nonce: nonce.into(), ciphertext, tag: tag.into() })
    }
}

/// Creates the head before the ciphertext, in a buffer with room for the whole sealed value.
pub(crate) fn start(key_id: KeyId, nonce: &XNonce, plaintext_len: usize) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(plaintext_len.saturating_add(OVERHEAD));
    sealed.push(VERSION);
    sealed.extend_from_slice(key_id.as_bytes());
    sealed.extend_from_slice(nonce);
    sealed
}
