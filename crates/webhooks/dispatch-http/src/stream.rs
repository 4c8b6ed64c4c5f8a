//! The byte stream of a connection: plain or TLS, counted, and holding the connection's place.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::client::TlsStream;

use crate::frames::{FrameCounter, FrameReader};

/// The counters of a connection.
#[derive(Debug)]
pub(crate) struct Meter {
    read: AtomicU64,
    /// The count at which an HTTP/1.1 connection fails, because no head has come.
    head_due: AtomicU64,
    pub(crate) frames: FrameCounter,
}

impl Meter {
    /// Returns the number of bytes received so far; bytes below TLS are not counted.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Acquire)
    }

    /// Fails the connection, if it is HTTP/1.1, once it has received this many bytes before
    /// [`Self::head_received`].
    pub(crate) fn await_head(&self, max_bytes: u64) {
        self.head_due.store(self.bytes_read().saturating_add(max_bytes), Ordering::Release);
    }

    /// Records that the head of the response has come.
    pub(crate) fn head_received(&self) {
        self.head_due.store(u64::MAX, Ordering::Release);
    }
}

pub(crate) struct Stream {
    transport: Transport,
    meter: Arc<Meter>,
    /// The reader of the frames of an HTTP/2 connection.
    frames: Option<FrameReader>,
    /// Held as long as the socket is open.
    _place: OwnedSemaphorePermit,
}

enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(crate) fn plain(tcp: TcpStream, place: OwnedSemaphorePermit) -> Self {
        Self::new(Transport::Plain(tcp), None, place)
    }

    pub(crate) fn tls(tls: TlsStream<TcpStream>, place: OwnedSemaphorePermit) -> Self {
        let is_http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        Self::new(Transport::Tls(Box::new(tls)), is_http2.then(FrameReader::default), place)
    }

    fn new(transport: Transport, frames: Option<FrameReader>, place: OwnedSemaphorePermit) -> Self {
        let meter = Arc::new(Meter {
            read: AtomicU64::new(0),
            head_due: AtomicU64::new(u64::MAX),
            frames: FrameCounter::new(),
        });
        Self { transport, meter, frames, _place: place }
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.frames.is_some()
    }

    pub(crate) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }
}

macro_rules! forward {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match &mut $self.transport {
            Transport::Plain(tcp) => Pin::new(tcp).$method($($argument),*),
            Transport::Tls(tls) => Pin::new(tls).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(forward!(self.poll_read(cx, buf)))?;
        let Self { meter, frames, .. } = &mut *self;
        let read = &buf.filled()[before..];
        let received = meter.read.fetch_add(read.len() as u64, Ordering::Release) + read.len() as u64;
        let flood = match frames {
            Some(frames) => (!frames.feed(read, &meter.frames))
                .then_some("the endpoint floods the connection with HTTP/2 frames"),
            None => (received > meter.head_due.load(Ordering::Acquire))
                .then_some("the endpoint floods the connection with informational responses"),
        };
        let Some(flood) = flood else { return Poll::Ready(Ok(())) };
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, flood)))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        forward!(self.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        forward!(self.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(tcp) => tcp.is_write_vectored(),
            Transport::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self.poll_shutdown(cx))
    }
}
