//! Claude Code for the command runner, without processes and I/O: [`invocation`] makes its command line from
//! a request, [`input`] the lines for its standard input, and [`ClaudeStream`] reads its standard output into
//! events and a result.
//!
//! Its exit code says little: it is 0 after some failures and without any output, and 143 after a success
//! that a late signal followed. The result therefore comes from the last `result` line.

mod end;
pub mod input;
pub mod invocation;
mod record;
mod stream;
mod wire;

pub use end::End;
pub use invocation::capabilities;
pub use stream::ClaudeStream;
