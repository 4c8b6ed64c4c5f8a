//! The service: its routes, and a small HTTP/1.1 server for them. Each connection has one request.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// How many requests are answered at once.
const WORKERS: usize = 16;

/// How long a client may take to send its request, and to read the response.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The size of the head of a request.
const MAX_HEAD_BYTES: usize = 8 * 1024;

/// A response in JSON.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: String,
}

/// Returns the response to a request.
pub fn respond(method: &str, path: &str) -> Response {
    match (method, path) {
        ("GET", "/") => json(200, concat!(r#"{"service":""#, env!("CARGO_PKG_NAME"), r#""}"#)),
        ("GET", "/health") => json(200, r#"{"status":"ok"}"#),
        (_, "/" | "/health") => json(405, r#"{"error":"method not allowed"}"#),
        _ => json(404, r#"{"error":"not found"}"#),
    }
}

/// Answers the connections of a listener, for as long as the process runs.
pub fn serve(listener: &TcpListener) {
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    match listener.accept() {
                        // A client that hangs up harms itself alone.
                        Ok((stream, _)) => drop(answer(stream)),
                        // Out of descriptors, most likely: others will be closed.
                        Err(_) => thread::sleep(Duration::from_millis(100)),
                    }
                }
            });
        }
    });
}

fn json(status: u16, body: &str) -> Response {
    Response { status, body: body.to_owned() }
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_write_timeout(Some(TIMEOUT))?;
    let response = match read_head(&mut stream)? {
        Head::Complete(head) => match request(&head) {
            Some((method, path)) => respond(method, path),
            None => json(400, r#"{"error":"bad request"}"#),
        },
        Head::TooLong => json(431, r#"{"error":"request header fields too large"}"#),
        Head::Aborted => return Ok(()),
    };
    let Response { status, body } = response;
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        _ => "Error",
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

enum Head {
    Complete(Vec<u8>),
    TooLong,
    Aborted,
}

/// Reads up to the empty line that ends the head of a request.
fn read_head(stream: &mut TcpStream) -> io::Result<Head> {
    let deadline = Instant::now() + TIMEOUT;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while head.len() <= MAX_HEAD_BYTES {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Head::Aborted);
        }
        stream.set_read_timeout(Some(left))?;
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(Head::Aborted);
        }
        head.extend_from_slice(&buffer[..count]);
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            return Ok(Head::Complete(head));
        }
    }
    Ok(Head::TooLong)
}

/// Returns the method and the path of a request, without its query.
fn request(head: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(head.split(|byte| *byte == b'\r').next()?).ok()?;
    let mut parts = line.split(' ');
    let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
    let is_valid =
        version.starts_with("HTTP/1.") && target.starts_with('/') && parts.next().is_none();
    is_valid.then(|| (method, target.split('?').next().unwrap_or(target)))
}
