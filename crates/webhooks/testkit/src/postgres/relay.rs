//! A network path to a server that can fall silent.

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::PostgresServer;

/// Forwards connections to a server, as a virtual address or a Service does.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    user: String,
    /// Number of times that all connections fell silent.
    silences: Arc<watch::Sender<u64>>,
    forwarding: AbortHandle,
}

impl Relay {
    /// Starts a relay to a server of [`PostgresServer::start`].
    ///
    /// # Panics
    ///
    /// If no port is free.
    pub async fn to(server: &PostgresServer) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("there is a free port");
        let port = listener.local_addr().expect("the socket is bound").port();
        let silences = Arc::new(watch::Sender::new(0));
        let forwarding = tokio::spawn(forward(listener, server.options.clone(), Arc::clone(&silences)));
        let user = server.options.get_username().to_owned();
        Self { port, user, silences, forwarding: forwarding.abort_handle() }
    }

    /// Returns the port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL of a database through this relay.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{}@127.0.0.1:{}/{database}?sslmode=disable", self.user, self.port)
    }

    /// Silences the open connections: nothing passes any more, and neither end notices, as when a host
    /// vanishes. New connections are forwarded.
    pub fn silence(&self) {
        self.silences.send_modify(|count| *count += 1);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.forwarding.abort();
    }
}

async fn forward(listener: TcpListener, server: PgConnectOptions, silences: Arc<watch::Sender<u64>>) {
    // The connections end with this set.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (server, silence) = (server.clone(), silences.subscribe());
        connections.spawn(async move {
            match server.get_socket() {
                Some(folder) => {
                    let socket = folder.join(format!(".s.PGSQL.{}", server.get_port()));
                    if let Ok(server) = UnixStream::connect(socket).await {
                        join(client, server, silence).await;
                    }
                }
                None => {
                    let address = (server.get_host(), server.get_port());
                    if let Ok(server) = TcpStream::connect(address).await {
                        join(client, server, silence).await;
                    }
                }
            }
        });
    }
}

async fn join(
    mut client: TcpStream,
    mut server: impl AsyncRead + AsyncWrite + Unpin,
    mut silence: watch::Receiver<u64>,
) {
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = silence.changed() => std::future::pending().await,
    }
}
