//! The content that a signature covers: `{id}.{timestamp}.{body}`.

/// The parts of the signed content. The body is never copied for signing: consumers take the parts one after
/// the other.
#[derive(Clone, Copy)]
pub(crate) struct SignedContent<'a> {
    id: &'a str,
    timestamp: &'a str,
    body: &'a [u8],
}

impl<'a> SignedContent<'a> {
    /// Creates the content. `timestamp` is the text of the header, so that sender and receiver agree on the
    /// signed bytes even if a number can be written in two ways.
    pub(crate) const fn new(id: &'a str, timestamp: &'a str, body: &'a [u8]) -> Self {
        Self { id, timestamp, body }
    }

    /// Returns the parts in order; their concatenation is signed.
    pub(crate) const fn parts(&self) -> [&'a [u8]; 5] {
        [self.id.as_bytes(), b".", self.timestamp.as_bytes(), b".", self.body]
    }

    /// Returns the content in one piece, for consumers that cannot take parts.
    pub(crate) fn concat(&self) -> Vec<u8> {
        self.parts().concat()
    }
}

/// A Unix time in decimal digits, rendered without a heap allocation.
pub(crate) struct TimestampText {
    digits: [u8; Self::CAPACITY],
    start: usize,
}

impl TimestampText {
    /// `i64::MIN` has 19 digits and a sign.
    const CAPACITY: usize = 20;

    pub(crate) fn new(timestamp: i64) -> Self {
        let mut digits = [0; Self::CAPACITY];
        let mut start = Self::CAPACITY;
        let mut rest = timestamp.unsigned_abs();
        loop {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if timestamp < 0 {
            start -= 1;
            digits[start] = b'-';
        }
        Self { digits, start }
    }

    pub(crate) fn as_str(&self) -> &str {
        // The buffer contains only ASCII, so the default never applies.
        std::str::from_utf8(&self.digits[self.start..]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_as_by_the_standard_library() {
        for timestamp in [0, 1, -1, 9, 10, 1_736_937_000, i64::MAX, i64::MIN] {
            assert_eq!(TimestampText::new(timestamp).as_str(), timestamp.to_string());
        }
    }

    #[test]
    fn the_parts_are_joined_by_full_stops() {
        let content = SignedContent::new("msg_1", "12", b"{}");
        assert_eq!(content.concat(), b"msg_1.12.{}");
    }
}
