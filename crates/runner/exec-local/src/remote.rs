//! Runs in another place: a backend passes requests to a supervisor there, which answers as the local backend,
//! the version control and the files of local workspaces.
//!
//! [`serve`] is the other place's side. It reads requests from its standard input and writes answers to its standard
//! output, each in a [frame]. It answers in any order. The protocol never needs the end of a stream, which not
//! every connection can report.

mod files;
pub mod frame;
mod git;
mod message;
mod relay;
mod repetition;
mod serve;
mod written;

pub use crate::listener::MAX_PIECE;
pub use files::{FilesAnswer, FilesCall, encode as encode_files};
pub use git::{ChangesForm, GitAnswer, GitCall, WorktreeForm};
pub use message::{Answer, Call, Failure, Request, Response, StartForm, StateForm, StreamForm};
pub use serve::{HANDSHAKE, SILENCE_LIMIT, install, serve};
