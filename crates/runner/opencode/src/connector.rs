//! The connections of the client, which the backend makes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rdev_runner_domain::RunName;
use rdev_runner_domain::ports::{ExecBackend, ExecError, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio_util::task::AbortOnDropHandle;
use tower::Service;

/// The number of bytes that a connection holds in each direction.
const BUFFER: usize = 64 * 1024;

/// Connects to a server.
#[derive(Clone)]
pub(crate) struct Connector {
    backend: Arc<dyn ExecBackend>,
    name: RunName,
    port: u16,
}

impl Connector {
    pub(crate) fn new(backend: Arc<dyn ExecBackend>, name: RunName, port: u16) -> Self {
        Self { backend, name, port }
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = ExecError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, ExecError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ExecError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { backend, name, port } = self.clone();
        Box::pin(async move { Ok(Stream::new(backend.connect(&name, port).await?)) })
    }
}

/// A connection as the client uses it. It is closed when it is dropped.
pub(crate) struct Stream {
    io: TokioIo<DuplexStream>,
    _carrier: AbortOnDropHandle<()>,
}

impl Stream {
    fn new(connection: Box<dyn ServerConnection>) -> Self {
        let (near, far) = duplex(BUFFER);
        let carrier = AbortOnDropHandle::new(tokio::spawn(carry(far, connection)));
        Self { io: TokioIo::new(near), _carrier: carrier }
    }
}

/// Carries bytes in both directions, until either has ended.
async fn carry(far: DuplexStream, connection: Box<dyn ServerConnection>) {
    let (mut outgoing, mut incoming) = split(far);
    let sending = async {
        let mut piece = vec![0; BUFFER];
        loop {
            let length = outgoing.read(&mut piece).await?;
            if length == 0 {
                return Ok(());
            }
            connection.send(piece.get(..length).unwrap_or_default()).await.map_err(io::Error::other)?;
        }
    };
    let receiving = async {
        loop {
            let piece = connection.receive().await.map_err(io::Error::other)?;
            if piece.is_empty() {
                return Ok(());
            }
            incoming.write_all(&piece).await?;
        }
    };
    let ended: io::Result<()> = tokio::select! {
        sent = sending => sent,
        received = receiving => received,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to a server was lost");
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
