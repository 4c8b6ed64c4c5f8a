//! Hostile endpoints.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a hostile endpoint does to a client.
#[derive(Debug, Clone, Copy)]
pub enum Malice {
    /// Accepts the request and never answers.
    Silent,
    /// Answers a byte a second.
    Dripping,
    /// Answers with a body that never ends.
    Endless,
    /// Closes the connection in the middle of the answer.
    Resetting,
}

impl Malice {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Silent, Self::Dripping, Self::Endless, Self::Resetting];
}

/// A hostile endpoint on its own port. It stops when dropped.
pub struct Hostile {
    url: String,
    task: JoinHandle<()>,
}

impl Hostile {
    /// Starts a hostile endpoint.
    pub async fn start(malice: Malice) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(harm(stream, malice));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { url, task }
    }

    /// Returns its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Treats one connection with malice until the client closes it.
async fn harm(mut stream: TcpStream, malice: Malice) {
    let mut request = [0; 4_096];
    let _ = stream.read(&mut request).await;
    let _ = match malice {
        Malice::Silent => stream.read_exact(&mut [0; 65_536]).await.map(|_| ()),
        Malice::Dripping => drip(&mut stream).await,
        Malice::Endless => flood(&mut stream).await,
        Malice::Resetting => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf").await;
            stream.set_zero_linger()
        }
    };
}

async fn drip(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".iter().cycle() {
        tick.tick().await;
        stream.write_all(&[*byte]).await?;
    }
    Ok(())
}

async fn flood(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(65_536));
    loop {
        stream.write_all(chunk.as_bytes()).await?;
    }
}
