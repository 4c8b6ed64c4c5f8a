//! Connections to servers on this machine.

use std::io;
use std::net::Ipv4Addr;

use async_trait::async_trait;
use rdev_runner_domain::ports::{ExecError, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;

use super::host;
use crate::listener::MAX_PIECE;

/// A connection on this machine.
pub(super) struct LocalConnection {
    reader: Mutex<OwnedReadHalf>,
    writer: Mutex<OwnedWriteHalf>,
}

impl LocalConnection {
    pub(super) async fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        Ok(Self { reader: Mutex::new(reader), writer: Mutex::new(writer) })
    }
}

#[async_trait]
impl ServerConnection for LocalConnection {
    async fn receive(&self) -> Result<Vec<u8>, ExecError> {
        let mut piece = vec![0; MAX_PIECE];
        let length = self.reader.lock().await.read(&mut piece).await.map_err(host("read from a server"))?;
        piece.truncate(length);
        Ok(piece)
    }

    async fn send(&self, bytes: &[u8]) -> Result<(), ExecError> {
        self.writer.lock().await.write_all(bytes).await.map_err(host("write to a server"))
    }
}
