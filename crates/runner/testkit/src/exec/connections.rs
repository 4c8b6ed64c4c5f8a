//! Connections to servers of runs.

use std::time::Duration;

use rdev_runner_domain::ports::{ExecError, ServerConnection};

use super::{ExecHarness, TestRun, start};

/// A server that sends back what it gets, and closes the connection after a line `end`.
const ECHO: &str = r#"
import socket, threading
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
def echo(client):
    with client:
        while (data := client.recv(65536)) and data != b"end\n":
            client.sendall(data)
while True:
    threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()
"#;

/// A server that sends 8 MiB, and reads as much once its input has a line.
const SLOW: &str = r#"
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
client = server.accept()[0]
client.sendall(bytes(8 << 20))
print("sent", flush=True)
sys.stdin.readline()
length = 0
while length < 8 << 20:
    length += len(client.recv(1 << 20))
print("received", flush=True)
"#;

/// How much the slow server sends and reads: more than all buffers of a connection.
const LARGE: usize = 8 << 20;

/// How long something is watched that must not happen.
const WATCHED: Duration = Duration::from_millis(500);

/// Starts a server, and returns its port.
async fn serve(harness: &dyn ExecHarness, run: &str, script: &str) -> (TestRun, u16) {
    let run = start(harness, run, &format!("exec python3 -c '{script}'")).await;
    let port = run.output_with("\n").await.trim().parse().expect("a port");
    (run, port)
}

/// Receives this many bytes.
async fn receive(connection: &dyn ServerConnection, count: usize) -> Vec<u8> {
    let mut received = Vec::new();
    while received.len() < count {
        let piece = connection.receive().await.expect("the connection goes on");
        assert!(!piece.is_empty(), "it ended after {} bytes", received.len());
        received.extend(piece);
    }
    received
}

async fn stop(run: &TestRun) {
    run.stop().await;
    run.end().await;
}

/// What is sent at the same time over two connections comes back as it was, and so does the end.
pub async fn a_connection_carries_every_byte_once(harness: &dyn ExecHarness) {
    let (run, port) = serve(harness, "one", ECHO).await;
    let exchange = async |seed: u32| {
        let connection = run.backend.connect(&run.name, port).await.expect("a connection");
        let numbers = (0..100_000_u32).map(|number| number.wrapping_mul(seed));
        let sent: Vec<u8> = numbers.flat_map(u32::to_be_bytes).collect();
        let sending = async {
            for piece in sent.chunks(9_999) {
                connection.send(piece).await.expect("the connection goes on");
            }
        };
        let ((), received) = tokio::join!(sending, receive(&*connection, sent.len()));
        assert!(received == sent, "other bytes came back");
    };
    tokio::join!(exchange(3), exchange(5));
    let connection = run.backend.connect(&run.name, port).await.expect("a connection");
    connection.send(b"end\n").await.expect("the connection goes on");
    assert_eq!(connection.receive().await.expect("the end"), b"");
    stop(&run).await;
}

/// Ports without a server, with that of another run, and with one outside are refused.
pub async fn only_a_server_of_the_run_is_reached(harness: &dyn ExecHarness) {
    let ((one, own), (two, other)) = (serve(harness, "one", ECHO).await, serve(harness, "two", ECHO).await);
    let outside = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let outside = outside.local_addr().expect("a port").port();
    for port in [0, 1, other, outside] {
        assert!(one.backend.connect(&one.name, port).await.is_err(), "{port}");
    }
    for (run, port) in [(&one, own), (&two, other)] {
        let connection = run.backend.connect(&run.name, port).await.expect("a connection");
        connection.send(b"hello").await.expect("the connection goes on");
        assert_eq!(receive(&*connection, 5).await, b"hello");
        stop(run).await;
        // Its servers ended with it.
        let ended = async { while !connection.receive().await.unwrap_or_default().is_empty() {} };
        ended.await;
        assert!(run.backend.connect(&run.name, port).await.is_err(), "{port}");
    }
    let unknown = one.backend.connect(&super::name("unknown"), own).await.err();
    assert!(matches!(unknown, Some(ExecError::UnknownRun(_))), "{unknown:?}");
}

/// Neither side sends more than the other one reads.
pub async fn a_connection_waits_for_its_server(harness: &dyn ExecHarness) {
    let (run, port) = serve(harness, "one", SLOW).await;
    let connection = run.backend.connect(&run.name, port).await.expect("a connection");
    let is_sent = tokio::time::timeout(WATCHED, run.output_with("sent\n")).await;
    assert!(is_sent.is_err(), "the server sent what no one received");
    assert_eq!(receive(&*connection, LARGE).await.len(), LARGE);
    run.output_with("sent\n").await;
    let large = vec![0; LARGE];
    let mut sending = connection.send(&large);
    let is_sent = tokio::time::timeout(WATCHED, &mut sending).await;
    assert!(is_sent.is_err(), "the server got what it did not read");
    run.write("go on\n").await.expect("the input is open");
    sending.await.expect("the connection goes on");
    run.output_with("received\n").await;
    assert_eq!(run.end().await.exit_code, Some(0));
}
