//! Parses server-sent events.

/// A parser of a stream's bytes.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    after_cr: bool,
    id: Option<String>,
    event: Option<String>,
    data: Option<String>,
}

/// A block of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The id to resume after.
    pub(crate) id: Option<String>,
    /// The name of the event.
    pub(crate) event: Option<String>,
    /// The data, if the block is an event.
    pub(crate) data: Option<String>,
}

impl Parser {
    /// Adds bytes of the stream and returns the blocks that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Block> {
        let mut blocks = Vec::new();
        for &byte in bytes {
            let ends_pair = std::mem::replace(&mut self.after_cr, byte == b'\r') && byte == b'\n';
            match byte {
                b'\n' if ends_pair => {}
                b'\n' | b'\r' => blocks.extend(self.end_line()),
                byte => self.line.push(byte),
            }
        }
        blocks
    }

    fn end_line(&mut self) -> Option<Block> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let block = Block { id: self.id.take(), event: self.event.take(), data: self.data.take() };
            return (block.id.is_some() || block.data.is_some()).then_some(block);
        }
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = Some(value.to_owned()),
            "event" => self.event = Some(value.to_owned()),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_however_the_bytes_arrive() {
        let stream = "retry: 1000\n\nid: a\nevent: event\ndata: {\"n\":\ndata: 1}\n\n: keep-alive\nid: b\n\n\
                      data:x\r\n\r\n";
        let expected = [
            Block { id: Some("a".into()), event: Some("event".into()), data: Some("{\"n\":\n1}".into()) },
            Block { id: Some("b".into()), event: None, data: None },
            Block { id: None, event: None, data: Some("x".into()) },
        ];
        for size in [1, 3, stream.len()] {
            let mut parser = Parser::default();
            let found: Vec<_> = stream.as_bytes().chunks(size).flat_map(|bytes| parser.push(bytes)).collect();
            assert_eq!(found, expected, "{size}");
        }
    }
}
