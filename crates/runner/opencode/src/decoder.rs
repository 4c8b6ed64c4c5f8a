//! Server-sent events.

use rdev_runner_domain::{Line, LineBuffer, MAX_LINE_BYTES};

/// A server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerEvent {
    /// Its data.
    Data(Vec<u8>),
    /// An event of more than 16 MiB, which was dropped.
    TooLong,
}

/// Reads a stream of server-sent events. The size of the pieces in which the stream arrives has no effect.
///
/// An event is kept until it is complete, because its data is one JSON document. So the longest line of an
/// agent's output bounds it too, and with it the memory of a stream.
#[derive(Debug, Default)]
pub(crate) struct EventDecoder {
    lines: LineBuffer,
    event: Event,
}

#[derive(Debug, Default)]
struct Event {
    data: Option<Vec<u8>>,
    is_too_long: bool,
}

impl EventDecoder {
    /// Creates a decoder.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Reads the next piece of the stream, and returns the events that it completes.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Vec<ServerEvent> {
        let (mut events, event) = (Vec::new(), &mut self.event);
        self.lines.push(piece, |line| events.extend(event.read(line)));
        events
    }
}

impl Event {
    fn read(&mut self, line: Line<'_>) -> Option<ServerEvent> {
        match line {
            Line::Whole(b"") => return self.end(),
            Line::Whole(line) => {
                // Other fields (`event`, `id`, `retry`) and comments have no meaning here.
                let data = line.strip_prefix(b"data:").map(|data| data.strip_prefix(b" ").unwrap_or(data));
                if let Some(data) = data {
                    self.append(data);
                }
            }
            Line::TooLong { .. } => self.is_too_long = true,
        }
        None
    }

    fn append(&mut self, line: &[u8]) {
        let data = match &mut self.data {
            Some(data) => {
                data.push(b'\n');
                data
            }
            None => self.data.insert(Vec::new()),
        };
        if data.len() + line.len() > MAX_LINE_BYTES {
            self.is_too_long = true;
        }
        if self.is_too_long {
            data.clear();
        } else {
            data.extend_from_slice(line);
        }
    }

    fn end(&mut self) -> Option<ServerEvent> {
        let ended = std::mem::take(self);
        if ended.is_too_long { Some(ServerEvent::TooLong) } else { ended.data.map(ServerEvent::Data) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(stream: &[u8], size: usize) -> Vec<ServerEvent> {
        let mut decoder = EventDecoder::new();
        stream.chunks(size).flat_map(|piece| decoder.push(piece)).collect()
    }

    fn data(text: &str) -> ServerEvent {
        ServerEvent::Data(text.into())
    }

    #[test]
    fn an_event_ends_with_an_empty_line() {
        let stream =
            b": hello\n\ndata: one\n\nevent: x\r\nid: 7\r\ndata:two\r\ndata:  three\r\n\r\n\ndata: cut";
        assert_eq!(decode(stream, 100), [data("one"), data("two\n three")]);
    }

    #[test]
    fn an_event_that_is_too_long_is_dropped() {
        let long = "x".repeat(MAX_LINE_BYTES / 2);
        let stream = format!("data: {long}\ndata: {long}\ndata: x\n\ndata: {long}{long}\n\ndata: ok\n\n");
        assert_eq!(
            decode(stream.as_bytes(), 1 << 20),
            [ServerEvent::TooLong, ServerEvent::TooLong, data("ok")]
        );
    }

    proptest! {
        #[test]
        fn the_size_of_pieces_has_no_effect(
            parts in prop::collection::vec(prop::sample::select(&["data: a", "data:", "\n", "\r\n", ":", "b"][..]), 0..30),
            size in 1..9_usize,
        ) {
            let stream = parts.concat();
            prop_assert_eq!(decode(stream.as_bytes(), size), decode(stream.as_bytes(), stream.len().max(1)));
        }
    }
}
