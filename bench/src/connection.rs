//! A minimal HTTP/1.1 client that costs next to nothing: it writes whole requests, and parses only the status
//! and the length of a response.

use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::Outcome;

/// The largest response; only an unexpected error page would be larger.
const MAX_ANSWER: usize = 64 * 1024;

/// The length of a response's beginning that contains the status.
const STATUS_LINE: usize = 12;

/// A kept-alive connection to a server.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A response: its status and its body.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// Returns a whole request with a JSON body, or without a body if `body` is empty.
pub(crate) fn request(to: SocketAddr, key: &str, method: &str, path: &str, body: &str) -> Vec<u8> {
    let content = match body.len() {
        0 => String::new(),
        length => format!("content-type: application/json\r\ncontent-length: {length}\r\n"),
    };
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\nauthorization: Bearer {key}\r\n{content}\r\n");
    (head + body).into_bytes()
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Outcome<Self> {
        Ok(Self::over(TcpStream::connect(address).await?)?)
    }

    /// Opens a connection from the given local address.
    pub(crate) async fn open_from(local: IpAddr, address: SocketAddr) -> Outcome<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((local, 0).into())?;
        Ok(Self::over(socket.connect(address).await?)?)
    }

    fn over(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a whole request without waiting for the response.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Outcome<()> {
        Ok(self.stream.write_all(request).await?)
    }

    /// Sends a whole request and returns the status of the response; closes the connection without reading
    /// the rest.
    pub(crate) async fn status_of(mut self, request: &[u8]) -> Outcome<u16> {
        self.send(request).await?;
        while self.buffer.len() < STATUS_LINE {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
        }
        status(&self.buffer)
    }

    /// Sends a whole request and reads the whole response.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Outcome<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if let Some(head) = Head::of(&self.buffer) {
                if head.length > MAX_ANSWER {
                    return Err("an answer is larger than expected".into());
                }
                if self.buffer.len() >= head.end + head.length {
                    let body = &self.buffer[head.end..head.end + head.length];
                    return Ok(Answer { status: status(&self.buffer)?, body });
                }
            } else if self.buffer.len() > MAX_ANSWER {
                return Err("an answer has no end to its headers".into());
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
        }
    }
}

/// The end of a message's headers, and the length of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) end: usize,
    pub(crate) length: usize,
}

impl Head {
    /// Parses the headers of a message. Returns `None` while they are incomplete.
    pub(crate) fn of(message: &[u8]) -> Option<Self> {
        let end = message.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        Some(Self { end, length: length(&message[..end]) })
    }
}

fn length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    let is_length = |line: &&[u8]| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME);
    let Some(line) = head.split(|byte| *byte == b'\n').find(is_length) else {
        return 0;
    };
    line.iter().filter(|byte| byte.is_ascii_digit()).fold(0, |n, digit| n * 10 + usize::from(digit - b'0'))
}

fn status(answer: &[u8]) -> Outcome<u16> {
    // `HTTP/1.1 202 Accepted`
    let digits = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    Ok(digits.ok_or("an answer has no status")?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_found_in_any_case_and_absent_is_none() {
        let message = b"HTTP/1.1 202 Accepted\r\nContent-Length: 12\r\nx: 7\r\n\r\nbody";
        assert_eq!(Head::of(message), Some(Head { end: 51, length: 12 }));
        assert_eq!(status(message).unwrap(), 202);
        assert_eq!(Head::of(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().length, 0);
        assert_eq!(Head::of(&message[..40]), None);
    }
}
