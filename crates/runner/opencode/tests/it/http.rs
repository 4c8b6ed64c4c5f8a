//! Just enough of an HTTP server.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;

pub(crate) struct Request {
    /// The method and the path without the directory: `POST /session`.
    pub(crate) target: String,
    pub(crate) directory: String,
    pub(crate) authorization: String,
    pub(crate) body: Value,
}

pub(crate) enum Answer {
    Json(Value),
    Other {
        status: u16,
        content_type: &'static str,
        body: String,
    },
    /// A stream of events, in these pieces, until the sender is dropped.
    Stream(UnboundedReceiver<String>),
    /// No answer, and the connection stays open.
    Silence,
}

/// What answers a request in place of the stand-in.
pub(crate) type Answering = fn() -> Answer;

/// Serves each request by `answer`, and returns the address.
pub(crate) async fn serve(answer: Arc<dyn Fn(&Request) -> Answer + Send + Sync>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move { serve_one(connection, &*answer).await });
        }
    });
    address
}

async fn serve_one(connection: TcpStream, answer: &(dyn Fn(&Request) -> Answer + Send + Sync)) -> Option<()> {
    let mut connection = BufReader::new(connection);
    let request = read(&mut connection).await?;
    let (status, content_type, body) = match answer(&request) {
        Answer::Json(body) => (200, "application/json", body.to_string()),
        Answer::Other { status, content_type, body } => (status, content_type, body),
        Answer::Stream(mut pieces) => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
            connection.write_all(head.as_bytes()).await.ok()?;
            while let Some(piece) = pieces.recv().await {
                connection.write_all(piece.as_bytes()).await.ok()?;
            }
            return Some(());
        }
        Answer::Silence => std::future::pending().await,
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    connection.write_all(format!("{head}{body}").as_bytes()).await.ok()
}

async fn read(connection: &mut BufReader<TcpStream>) -> Option<Request> {
    let (mut line, mut length, mut authorization) = (String::new(), 0, String::new());
    connection.read_line(&mut line).await.ok()?;
    let mut words = line.split(' ');
    let (method, url) = (words.next()?.to_owned(), words.next()?.to_owned());
    loop {
        let mut header = String::new();
        connection.read_line(&mut header).await.ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name {
            "content-length" => length = value.parse().ok()?,
            "authorization" => value.clone_into(&mut authorization),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.ok()?;
    let (path, directory) = url.rsplit_once("directory=")?;
    Some(Request {
        target: format!("{method} {}", path.trim_end_matches(['?', '&'])),
        directory: directory.to_owned(),
        authorization,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}
