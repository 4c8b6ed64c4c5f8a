//! Talks to a running server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || service::serve(&listener));
    address
}

fn send(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn health_is_ok() {
    let response = send(start(), b"GET /health?verbose HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\n{\"status\":\"ok\"}"), "{response}");
}

#[test]
fn the_root_names_the_service() {
    let response = send(start(), b"GET / HTTP/1.1\r\n\r\n");
    assert!(response.contains(env!("CARGO_PKG_NAME")), "{response}");
}

#[test]
fn other_requests_get_an_error() {
    let address = start();
    for (request, status) in [
        (&b"GET /nothing HTTP/1.1\r\n\r\n"[..], "404"),
        (b"DELETE /health HTTP/1.1\r\n\r\n", "405"),
        (b"nonsense\r\n\r\n", "400"),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", "400"),
    ] {
        let response = send(address, request);
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
    }
}
