//! Connections to the servers of a run, for a runner elsewhere.
//!
//! The supervisor has them, so that they outlive the runner's own connection to this place: the runner counts the bytes
//! of both directions and repeats a request that had no answer. The last piece that was read from a server is kept until
//! a request says that it has arrived, and nothing more is read before.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use crate::folder::RunFolder;
use crate::listener::{self, MAX_PIECE};
use crate::remote::frame;
use crate::remote::{Answer, Call, Failure, Request, Response};

/// The number of connections of a run.
const MAX_CONNECTIONS: usize = 128;

/// The number of requests that are carried out at once: two for each connection, and those that are repeated.
const MAX_REQUESTS: usize = 4 * MAX_CONNECTIONS;

/// How long a connection is kept that no one uses: its runner has ended, perhaps.
const KEEP_UNUSED: Duration = Duration::from_secs(120);

/// How often unused connections are looked for, in milliseconds.
const LOOK_INTERVAL: u16 = 10_000;

/// How long to wait before another attempt to take a request, in milliseconds.
const ACCEPT_RETRY_INTERVAL: u8 = 100;

/// How long a request may take to come, its answer to be taken, and a server to take a connection.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time for which a request may wait for its server.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The supervisor's side. It ends with the process.
pub(crate) struct Relay {
    listener: UnixListener,
    connections: Arc<Connections>,
}

impl Relay {
    /// Creates the socket to which requests come.
    pub(crate) fn bind(folder: &RunFolder) -> io::Result<Self> {
        let (_folder, path) = folder.relay()?;
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, connections: Arc::default() })
    }

    /// Answers requests, in threads that block the signals that this one blocks.
    pub(crate) fn start(self) {
        thread::spawn(move || {
            loop {
                let mut ready = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
                // A failure is that of the next step, too.
                let _ = poll(&mut ready, PollTimeout::from(LOOK_INTERVAL));
                self.connections.drop_unused();
                match self.listener.accept() {
                    Ok((stream, _)) => self.answer(stream),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    // The host has too many open files, perhaps. Without descriptors this only waits.
                    Err(_) => drop(poll(&mut [], ACCEPT_RETRY_INTERVAL)),
                }
            }
        });
    }

    fn answer(&self, stream: UnixStream) {
        let connections = Arc::clone(&self.connections);
        // One that is too many has no answer.
        if Arc::strong_count(&connections) > MAX_REQUESTS {
            return;
        }
        // Without a thread neither.
        let _ = thread::Builder::new().spawn(move || {
            // A client that is gone takes no answer.
            let _ = connections.serve(&stream);
        });
    }
}

#[derive(Default)]
struct Connections(Mutex<HashMap<String, Arc<Connection>>>);

impl Connections {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Connection>>> {
        lock(&self.0)
    }

    fn drop_unused(&self) {
        self.all().retain(|_, connection| {
            Arc::strong_count(connection) > 1 || lock(&connection.used_at).elapsed() < KEEP_UNUSED
        });
    }

    /// Answers the request of a stream.
    fn serve(&self, mut stream: &UnixStream) -> io::Result<()> {
        // The accepted stream may have the listener's mode.
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(STEP_TIMEOUT))?;
        stream.set_write_timeout(Some(STEP_TIMEOUT))?;
        let (Request { id, call }, body) = frame::read(&mut stream)?;
        let (answer, output) = match self.carry_out(call, &body) {
            Ok(answered) => answered,
            Err(error) => (Answer::Failed(Failure::Other(error.to_string())), Vec::new()),
        };
        stream.write_all(&frame::encode(&Response { id, answer }, &output)?)
    }

    fn carry_out(&self, call: Call, body: &[u8]) -> io::Result<(Answer, Vec<u8>)> {
        match call {
            Call::Connect { connection, port, .. } => {
                self.connect(connection, port)?;
                Ok((Answer::Done, Vec::new()))
            }
            Call::Receive { connection, offset, wait_ms, .. } => {
                let (piece, has_ended) = self.find(&connection)?.receive(offset, wait(wait_ms))?;
                Ok((Answer::Output { has_ended }, piece))
            }
            Call::Send { connection, offset, wait_ms, .. } => {
                let end = self.find(&connection)?.send(offset, body, wait(wait_ms))?;
                Ok((Answer::Sent(end), Vec::new()))
            }
            Call::Disconnect { connection, .. } => {
                if let Some(closed) = self.all().remove(&connection) {
                    // Wakes the requests that wait. It fails if the server has closed it.
                    let _ = closed.stream.shutdown(Shutdown::Both);
                }
                Ok((Answer::Done, Vec::new()))
            }
            _ => Err(io::Error::new(ErrorKind::Unsupported, "the relay has no such operation")),
        }
    }

    /// Opens a connection, unless this name has one.
    fn connect(&self, name: String, port: u16) -> io::Result<()> {
        let mut all = self.all();
        if all.contains_key(&name) {
            return Ok(());
        }
        if all.len() >= MAX_CONNECTIONS {
            return Err(io::Error::other(format!("the run has {MAX_CONNECTIONS} connections")));
        }
        listener::check(Pid::this(), port)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&address, STEP_TIMEOUT)?;
        stream.set_nodelay(true)?;
        all.insert(name, Arc::new(Connection::new(stream)));
        Ok(())
    }

    fn find(&self, name: &str) -> io::Result<Arc<Connection>> {
        let found = self.all().get(name).cloned();
        let found =
            found.ok_or_else(|| io::Error::new(ErrorKind::NotConnected, "the connection is closed"))?;
        *lock(&found.used_at) = Instant::now();
        Ok(found)
    }
}

/// A connection to a server.
struct Connection {
    stream: TcpStream,
    received: Mutex<Received>,
    /// The number of bytes that the server has taken.
    sent: Mutex<u64>,
    used_at: Mutex<Instant>,
}

/// What a server has sent.
#[derive(Default)]
struct Received {
    /// The last piece, which may not have arrived yet.
    piece: Vec<u8>,
    /// The number of bytes before it.
    before: u64,
    has_ended: bool,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let (received, sent) = (Mutex::default(), Mutex::default());
        Self { stream, received, sent, used_at: Mutex::new(Instant::now()) }
    }

    /// Returns the piece from this offset on, and whether there is none any more. Waits for it.
    fn receive(&self, offset: u64, wait: Duration) -> io::Result<(Vec<u8>, bool)> {
        let mut received = lock(&self.received);
        let end = received.before + received.piece.len() as u64;
        if offset == end {
            received.before = end;
            received.piece.clear();
        } else if offset != received.before {
            return Err(io::Error::new(ErrorKind::InvalidInput, "the bytes at this offset are gone"));
        }
        if received.piece.is_empty() && !received.has_ended {
            self.stream.set_read_timeout(Some(wait))?;
            let mut piece = vec![0; MAX_PIECE];
            match (&self.stream).read(&mut piece) {
                Ok(length) => {
                    piece.truncate(length);
                    received.has_ended = length == 0;
                    received.piece = piece;
                }
                Err(error) if is_for_now(&error) => {}
                // A server that is gone has said all.
                Err(_) => received.has_ended = true,
            }
        }
        let has_ended = received.has_ended && received.piece.is_empty();
        Ok((received.piece.clone(), has_ended))
    }

    /// Sends what the server does not have of the bytes from this offset on, as far as it takes them in this time.
    /// Returns the number of all bytes that it has taken.
    fn send(&self, offset: u64, bytes: &[u8], wait: Duration) -> io::Result<u64> {
        let mut sent = lock(&self.sent);
        let known = sent.checked_sub(offset).and_then(|known| usize::try_from(known).ok());
        let missing = || io::Error::new(ErrorKind::InvalidInput, "the bytes before this offset are missing");
        let mut rest = bytes.get(known.ok_or_else(missing)?..).unwrap_or_default();
        let until = Instant::now() + wait;
        while !rest.is_empty() && Instant::now() < until {
            self.stream.set_write_timeout(Some(wait))?;
            match (&self.stream).write(rest) {
                Ok(length) => {
                    *sent += length as u64;
                    rest = rest.get(length..).unwrap_or_default();
                }
                Err(error) if is_for_now(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(*sent)
    }
}

fn is_for_now(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Returns how long a request may wait. The system takes no time of 0.
fn wait(millis: u64) -> Duration {
    Duration::from_millis(millis.max(1)).min(MAX_WAIT)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic leaves the numbers of bytes as they are.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const WAIT: Duration = Duration::from_secs(60);

    /// Returns a connection, and the server's side of it.
    fn connected(connections: &Connections) -> (Arc<Connection>, TcpStream) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        connections.connect("one".to_owned(), port).unwrap();
        // A repetition opens no other one.
        connections.connect("one".to_owned(), port).unwrap();
        (connections.find("one").unwrap(), server.accept().unwrap().0)
    }

    #[test]
    fn a_piece_is_kept_until_it_has_arrived() {
        let (connection, mut server) = connected(&Connections::default());
        server.write_all(b"first").unwrap();
        for _ in 0..2 {
            assert_eq!(connection.receive(0, WAIT).unwrap(), (b"first".to_vec(), false));
        }
        assert!(connection.receive(3, WAIT).is_err());
        server.write_all(b"second").unwrap();
        drop(server);
        for _ in 0..2 {
            assert_eq!(connection.receive(5, WAIT).unwrap(), (b"second".to_vec(), false));
        }
        assert!(connection.receive(0, WAIT).is_err());
        for _ in 0..2 {
            assert_eq!(connection.receive(11, WAIT).unwrap(), (Vec::new(), true));
        }
    }

    #[test]
    fn what_is_sent_again_is_taken_once() {
        let (connection, mut server) = connected(&Connections::default());
        assert_eq!(connection.send(0, b"first", WAIT).unwrap(), 5);
        assert_eq!(connection.send(0, b"first", WAIT).unwrap(), 5);
        assert_eq!(connection.send(3, b"st second", WAIT).unwrap(), 12);
        assert!(connection.send(13, b"x", WAIT).is_err());
        let mut taken = [0; 12];
        server.read_exact(&mut taken).unwrap();
        assert_eq!(&taken, b"first second");
        // As much as there is room for.
        let large = vec![0; 64 << 20];
        let first = connection.send(12, &large, Duration::from_millis(1)).unwrap();
        assert!((12..large.len() as u64).contains(&first), "{first}");
    }

    #[test]
    fn connections_that_no_one_uses_are_closed() {
        let connections = Connections::default();
        let (connection, mut server) = connected(&connections);
        let long_ago = Instant::now().checked_sub(KEEP_UNUSED).unwrap();
        *lock(&connection.used_at) = long_ago;
        connections.drop_unused();
        // It waits for its server.
        assert!(connections.find("one").is_ok());
        *lock(&connection.used_at) = long_ago;
        drop(connection);
        connections.drop_unused();
        assert!(connections.find("one").is_err());
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn connections_are_bounded() {
        let connections = Connections::default();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        for number in 0..MAX_CONNECTIONS {
            connections.connect(number.to_string(), port).unwrap();
        }
        let refused = connections.connect("one more".to_owned(), port).unwrap_err();
        assert_eq!(refused.to_string(), "the run has 128 connections");
        let call =
            |connection: &str| Call::Disconnect { run: String::new(), connection: connection.to_owned() };
        connections.carry_out(call("0"), &[]).unwrap();
        connections.connect("one more".to_owned(), port).unwrap();
    }
}
