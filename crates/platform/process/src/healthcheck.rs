//! The health check of a server on this machine, for containers and service managers.

use std::io::{self, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::cli;

/// The maximum duration of the whole check; longer than a server's own checks take.
const TIMEOUT: Duration = Duration::from_secs(8);

/// The maximum length of a response's first line that is read.
const MAX_STATUS_LINE: u64 = 256;

/// Exits with 0 if the server that listens on an address responds with 200 at `path`, otherwise with 1 and
/// the reason in one line on standard error.
pub fn run(address: SocketAddr, path: &str) -> ExitCode {
    match ask(local(address), path) {
        Ok(200) => ExitCode::SUCCESS,
        Ok(status) => failed(format!("{path} returned {status}")),
        Err(error) => failed(format!("{address} did not respond: {error}")),
    }
}

fn failed(reason: String) -> ExitCode {
    cli::print_error(reason);
    ExitCode::FAILURE
}

/// Returns the address at which this machine reaches a listener on all addresses.
fn local(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Requests `path` and returns the status of the response.
fn ask(address: SocketAddr, path: &str) -> io::Result<u16> {
    let deadline = Instant::now() + TIMEOUT;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut line = Vec::new();
    let answer = BufReader::new(TimedRead { stream, deadline }.take(MAX_STATUS_LINE));
    // Only the first line is needed.
    for byte in answer.bytes() {
        match byte? {
            b'\r' | b'\n' => break,
            byte => line.push(byte),
        }
    }
    let line = String::from_utf8_lossy(&line);
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    status.ok_or_else(|| io::Error::other("it is not an HTTP server"))
}

/// Reads until a deadline, however slowly the bytes arrive.
struct TimedRead {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for TimedRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Returns the status that is read from this response.
    fn answered(answer: &'static str) -> io::Result<u16> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1_024];
            let len = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request[..len].to_vec()).unwrap()
        });
        let status = ask(address, "/readyz");
        let request = serving.join().unwrap();
        assert!(request.starts_with("GET /readyz HTTP/1.1\r\n"), "{request}");
        assert!(request.contains(&format!("host: {address}\r\n")), "{request}");
        status
    }

    #[test]
    fn the_status_is_parsed() {
        assert_eq!(answered("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap(), 200);
        assert_eq!(answered("HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap(), 503);
        assert!(answered("SSH-2.0-OpenSSH\r\n").is_err());
        assert!(answered("").is_err());
    }

    #[test]
    fn a_server_on_all_addresses_is_checked_on_loopback() {
        for (bound, asked) in
            [("0.0.0.0:8080", "127.0.0.1:8080"), ("[::]:9090", "[::1]:9090"), ("10.0.0.7:1", "10.0.0.7:1")]
        {
            assert_eq!(local(bound.parse().unwrap()), asked.parse().unwrap());
        }
    }

    #[test]
    fn a_missing_server_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(ask(address, "/readyz").is_err());
    }
}
