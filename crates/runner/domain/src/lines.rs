//! The lines of a byte stream.

/// The longest line of an agent's output: 16 MiB.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// A line, without its end (`\n` or `\r\n`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line. The last one of a stream may lack its end.
    Whole(&'a [u8]),
    /// A line that is longer than the limit. Its content is dropped.
    TooLong {
        /// The length of the line.
        bytes: u64,
    },
}

/// Divides a byte stream into lines. The size of the pieces in which the stream arrives has no effect, and
/// memory for one line is enough.
#[derive(Debug)]
pub struct LineBuffer {
    partial: Vec<u8>,
    /// The bytes of the current line that were dropped.
    dropped: u64,
    limit: usize,
}

impl Default for LineBuffer {
    fn default() -> Self {
        Self::new(MAX_LINE_BYTES)
    }
}

impl LineBuffer {
    /// Creates a buffer for lines of at most `limit` bytes, not counting the `\n`.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { partial: Vec::new(), dropped: 0, limit }
    }

    /// Takes the next piece of the stream, and passes each line that it completes to `take`.
    pub fn push(&mut self, piece: &[u8], mut take: impl FnMut(Line<'_>)) {
        let mut pieces = piece.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = pieces.next() {
            let ends = pieces.peek().is_some();
            if ends && self.partial.is_empty() && self.dropped == 0 && part.len() <= self.limit {
                take(Line::Whole(without_return(part)));
                continue;
            }
            self.append(part);
            if ends {
                self.end_line(&mut take);
            }
        }
    }

    /// Ends the stream. Passes the last line to `take` if it has no end.
    pub fn finish(&mut self, mut take: impl FnMut(Line<'_>)) {
        if !self.partial.is_empty() || self.dropped > 0 {
            self.end_line(&mut take);
        }
    }

    fn append(&mut self, part: &[u8]) {
        if self.dropped > 0 || self.partial.len() + part.len() > self.limit {
            self.dropped += (self.partial.len() + part.len()) as u64;
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(part);
        }
    }

    fn end_line(&mut self, take: &mut impl FnMut(Line<'_>)) {
        if self.dropped > 0 {
            take(Line::TooLong { bytes: self.dropped });
        } else {
            take(Line::Whole(without_return(&self.partial)));
        }
        self.partial.clear();
        self.dropped = 0;
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]], limit: usize) -> Vec<Result<Vec<u8>, u64>> {
        let mut lines = Vec::new();
        let mut take = |line: Line<'_>| {
            lines.push(match line {
                Line::Whole(line) => Ok(line.to_vec()),
                Line::TooLong { bytes } => Err(bytes),
            });
        };
        let mut buffer = LineBuffer::new(limit);
        for piece in pieces {
            buffer.push(piece, &mut take);
        }
        buffer.finish(&mut take);
        lines
    }

    fn ok(line: &str) -> Result<Vec<u8>, u64> {
        Ok(line.into())
    }

    #[test]
    fn a_line_ends_with_a_line_feed_or_with_the_stream() {
        assert_eq!(lines(&[b"a\nb\r\n\nc"], 9), [ok("a"), ok("b"), ok(""), ok("c")]);
        assert_eq!(lines(&[b"a\n"], 9), [ok("a")]);
        assert_eq!(lines(&[b""], 9), []);
        assert_eq!(lines(&[b"a\rb\n"], 9), [ok("a\rb")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_and_counted() {
        assert_eq!(lines(&[b"12345\nok\n"], 4), [Err(5), ok("ok")]);
        assert_eq!(lines(&[b"1234\n12", b"34", b"5", b"6\nok"], 4), [ok("1234"), Err(6), ok("ok")]);
        assert_eq!(lines(&[b"12345"], 4), [Err(5)]);
    }

    proptest! {
        #[test]
        fn the_size_of_pieces_has_no_effect(
            stream in prop::collection::vec(prop::sample::select(b"ab\r\n".as_slice()), 0..60),
            size in 1..10_usize,
            limit in 1..8_usize,
        ) {
            let whole = lines(&[&stream], limit);
            let pieces: Vec<_> = stream.chunks(size).collect();
            prop_assert_eq!(lines(&pieces, limit), whole);
        }
    }
}
