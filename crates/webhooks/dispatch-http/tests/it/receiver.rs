//! A scripted receiver, which acts on each connection byte by byte.

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::time::Duration;

use rdev_webhooks_domain::EndpointUrl;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The longest wait of a test for an expected event.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    peers: watch::Receiver<Vec<SocketAddr>>,
    // The scripts end with the receiver.
    _task: JoinSet<()>,
}

/// A connection to the receiver.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
}

pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Receiver {
    pub(crate) async fn start<Script, Run>(script: Script) -> Self
    where
        Script: Fn(Peer) -> Run + Send + 'static,
        Run: Future<Output = ()> + Send + 'static,
    {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script).await
    }

    pub(crate) async fn start_at<Script, Run>(address: SocketAddr, script: Script) -> Self
    where
        Script: Fn(Peer) -> Run + Send + 'static,
        Run: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, peers) = watch::channel(Vec::new());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut scripts = JoinSet::new();
            loop {
                let (stream, peer) = listener.accept().await.unwrap();
                accepted.send_modify(|peers| peers.push(peer));
                scripts.spawn(script(Peer { stream }));
            }
        });
        Self { address, peers, _task: task }
    }

    /// Returns a receiver that answers every request with [`OK`].
    pub(crate) async fn start_friendly() -> Self {
        Self::start(friendly).await
    }

    pub(crate) fn url(&self, path: &str) -> EndpointUrl {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    /// Returns the number of connections so far.
    pub(crate) fn accepted(&self) -> usize {
        self.peers.borrow().len()
    }

    /// Asserts that there was no connection: the first to be accepted is that of this function.
    pub(crate) async fn assert_untouched(mut self) {
        let sentinel = TcpStream::connect(self.address).await.unwrap();
        let sentinel = sentinel.local_addr().unwrap();
        let seen = self.peers.wait_for(|peers| peers.contains(&sentinel));
        let peers = within(seen).await.unwrap();
        assert_eq!(*peers, [sentinel]);
    }
}

/// Answers every request on a connection with [`OK`].
pub(crate) async fn friendly(mut peer: Peer) {
    while peer.request().await.is_some() {
        peer.send(OK).await;
    }
}

impl Peer {
    /// Reads one request. Returns `None` if the connection ended.
    pub(crate) async fn request(&mut self) -> Option<Received> {
        let head = self.head().await?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        Some(Received { head, body })
    }

    /// Reads the head of a request and leaves its body.
    pub(crate) async fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.ok()?);
        }
        Some(String::from_utf8(head).unwrap())
    }

    /// Writes bytes, and returns whether the other end still accepted them.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Keeps the connection open and does nothing else.
    pub(crate) async fn hold(self) {
        let _stream = self.stream;
        pending::<()>().await;
    }

    /// Waits for the other end to close, whatever else it sends.
    pub(crate) async fn closed(&mut self) {
        let mut rest = [0; 4096];
        while !matches!(self.stream.read(&mut rest).await, Ok(0) | Err(_)) {}
    }
}

/// Waits for an expected event, but not forever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("the event happens within ten seconds")
}
