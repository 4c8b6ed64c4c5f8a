//! Connections to servers of runs.

use std::time::Duration;

use rdev_runner_domain::ports::ExecError;

use super::{ECHO, ExecHarness, TestRun, receive, serve};

/// A server that sends 1 MiB, and reads 5 MiB once its input has a line.
const SLOW: &str = r#"
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
print(server.getsockname()[1], flush=True)
client = server.accept()[0]
client.sendall(bytes(1 << 20))
print("sent", flush=True)
sys.stdin.readline()
length = 0
while length < 5 << 20:
    length += len(client.recv(1 << 20))
print("received", flush=True)
"#;

/// How much the slow server sends and reads: more than all buffers of a connection. The system's buffer of a sender is
/// 4 MiB at most, unless the sender has set it.
const SENT: usize = 1 << 20;
const READ: usize = 5 << 20;

/// How long something is watched that must not happen.
const WATCHED: Duration = Duration::from_millis(500);

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
    assert_eq!(receive(&*connection, SENT).await.len(), SENT);
    run.output_with("sent\n").await;
    let large = vec![0; READ];
    let mut sending = connection.send(&large);
    let is_sent = tokio::time::timeout(WATCHED, &mut sending).await;
    assert!(is_sent.is_err(), "the server got what it did not read");
    run.write("go on\n").await.expect("the input is open");
    sending.await.expect("the connection goes on");
    run.output_with("received\n").await;
    assert_eq!(run.end().await.exit_code, Some(0));
}
