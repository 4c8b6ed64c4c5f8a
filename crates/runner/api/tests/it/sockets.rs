//! Streams over real sockets.

use std::time::Duration;

use rdev_http::{ServeOptions, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::scene::{KEY, Scene};

/// Maximum wait in these tests; a longer one means a fault.
const PATIENCE: Duration = Duration::from_secs(60);

async fn connect(address: std::net::SocketAddr, id: &str, last: u64) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /commands/{id}/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
         accept: text/event-stream\r\nlast-event-id: {last}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads until the server closes the connection, and returns the ids of the events.
async fn ids(mut stream: TcpStream) -> Vec<u64> {
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("event: end\n"), "{}", &text[..text.len().min(1_000)]);
    text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stands_still_delays_no_other_and_gets_everything() {
    let scene = Scene::with_project().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let drain = CancellationToken::new();
    let server = tokio::spawn(serve(listener, scene.router.clone(), drain.clone(), ServeOptions::default()));
    let id = scene.command("x").await;
    let leased = scene.claim().await;
    // 32 MiB are more than the sockets' buffers hold.
    let text = "x".repeat(32 << 10);
    let still = connect(address, &id, 0).await;
    let quick = tokio::spawn(ids(connect(address, &id, 0).await));
    for batch in 0..64_u64 {
        scene.say(&leased, batch * 16, &vec![text.clone(); 16]).await;
    }
    scene.complete(&leased, 1_024).await;
    let all: Vec<_> = (1..=1_024).collect();
    assert_eq!(quick.await.unwrap(), all);
    assert_eq!(ids(still).await, all);
    for last in [0, 1, 511, 1_023, 1_024] {
        let resumed = ids(connect(address, &id, last).await).await;
        assert_eq!(resumed, (last + 1..=1_024).collect::<Vec<_>>());
    }
    drain.cancel();
    server.await.unwrap().unwrap();
}
