//! A server that answers by a script. For the tests of clients.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request that the server got.
#[derive(Debug)]
pub struct Seen {
    /// The first line.
    pub line: String,
    /// The headers; their names are lower case.
    pub headers: BTreeMap<String, String>,
}

/// Serves these responses, one for each connection, and returns its URL and the requests. An empty response breaks the
/// connection.
pub async fn serve(responses: Vec<String>) -> (String, JoinHandle<Vec<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/prefix/", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let mut seen = Vec::new();
        for response in responses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let mut buffer = [0; 4_096];
            while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
                let read = stream.read(&mut buffer).await.unwrap();
                bytes.extend_from_slice(&buffer[..read]);
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let mut lines = text.lines();
            let line = lines.next().unwrap().to_owned();
            let headers = lines.map_while(|line| line.split_once(": "));
            let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
            seen.push(Seen { line, headers });
            stream.write_all(response.as_bytes()).await.unwrap();
        }
        seen
    });
    (url, serving)
}

/// Returns a response with a body.
#[must_use]
pub fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Returns the response of a problem at `instance` with a fault at `pointer`.
#[must_use]
pub fn problem(status: u16, code: &str, instance: &str, pointer: &str) -> String {
    let body = format!(
        r#"{{"type":"urn:rdev:problem:{code}","title":"T","status":{status},"detail":"What is wrong.",
        "instance":"{instance}","code":"{code}","request_id":"req-1","errors":[{{"pointer":"{pointer}","detail":"D"}}]}}"#
    );
    response(&format!("{status} X"), "", &body)
}
