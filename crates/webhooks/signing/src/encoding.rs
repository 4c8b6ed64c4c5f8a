//! Decodes base64 without leaving copies of key material in memory.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeSliceError, Engine};
use zeroize::Zeroizing;

/// The length of the longest decoded value: a symmetric key, a key pair or an ed25519 signature.
const MAX_DECODED: usize = 64;

/// Decoded bytes, at most [`MAX_DECODED`] of them, wiped on drop. They are stored in place rather than in a
/// growing buffer, which would leave a copy behind each time it moved.
pub(crate) struct Decoded {
    bytes: Zeroizing<[u8; MAX_DECODED]>,
    len: usize,
}

impl std::ops::Deref for Decoded {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The reason why a text was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    NotBase64,
    TooLong,
}

/// Decodes standard base64 with required padding.
pub(crate) fn decode(text: &str) -> Result<Decoded, DecodeError> {
    let mut bytes = Zeroizing::new([0; MAX_DECODED]);
    match STANDARD.decode_slice(text, bytes.as_mut_slice()) {
        Ok(len) => Ok(Decoded { bytes, len }),
        Err(DecodeSliceError::OutputSliceTooSmall) => Err(DecodeError::TooLong),
        Err(DecodeSliceError::DecodeError(_)) => Err(DecodeError::NotBase64),
    }
}

/// Encodes `bytes` in standard base64 after `prefix`, in one allocation of the exact size: a text that had to
/// grow would leave a copy of a secret behind.
pub(crate) fn encode_with_prefix(prefix: &str, bytes: &[u8]) -> String {
    let mut text = String::with_capacity(prefix.len() + encoded_len(bytes.len()));
    text.push_str(prefix);
    STANDARD.encode_string(bytes, &mut text);
    text
}

/// Returns the length of `bytes` bytes in padded base64.
pub(crate) const fn encoded_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_allocates_once() {
        for len in 0..=MAX_DECODED {
            let text = encode_with_prefix("whsec_", &vec![0xA5; len]);
            assert_eq!(text.len(), 6 + encoded_len(len));
            assert_eq!(text.capacity(), text.len());
        }
    }

    #[test]
    fn encoded_bytes_decode() {
        for len in 0..=MAX_DECODED {
            let bytes = vec![0x5A; len];
            let decoded = decode(&encode_with_prefix("", &bytes)).ok();
            assert_eq!(decoded.as_deref(), Some(bytes.as_slice()));
        }
    }

    #[test]
    fn one_byte_more_is_too_long() {
        let text = encode_with_prefix("", &[0; MAX_DECODED + 1]);
        assert_eq!(decode(&text).err(), Some(DecodeError::TooLong));
    }

    #[test]
    fn other_alphabets_and_missing_padding_are_refused() {
        for text in ["_-8=", "+/8", "+/8==", "+/9=", " +/8=", "+/8=\n", "é"] {
            assert_eq!(decode(text).err(), Some(DecodeError::NotBase64), "{text:?}");
        }
    }
}
