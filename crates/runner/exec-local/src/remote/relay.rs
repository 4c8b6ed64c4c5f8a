//! The way of a request to the relay of a run, which its supervisor has.

use std::time::Duration;

use rdev_runner_domain::RunName;
use rdev_runner_domain::ports::ExecBackend;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::frame;
use super::message::{Answer, Call, Failure, Request, Response};
use crate::backend::LocalBackend;
use crate::folder::RunFolder;

/// How long an answer may take. The request says how much of that the relay waits for the server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Returns the answer of the run's supervisor.
pub(super) async fn ask(
    backend: &LocalBackend,
    run: &RunName,
    call: Call,
    body: &[u8],
) -> Result<(Answer, Vec<u8>), Failure> {
    // The run must be there.
    backend.status(run).await?;
    let asking = async {
        let (_folder, path) = RunFolder::new(&backend.folder(run)).relay()?;
        let mut stream = UnixStream::connect(path).await?;
        stream.write_all(&frame::encode(&Request { id: 0, call }, body)?).await?;
        let (Response { answer, .. }, output) = frame::next(&mut stream).await?;
        Ok::<_, std::io::Error>((answer, output))
    };
    let answered = timeout(ANSWER_TIMEOUT, asking).await;
    let answered = answered.map_err(|_| Failure::Other("the relay of the run does not answer".to_owned()))?;
    answered.map_err(|error| Failure::Other(format!("the relay of the run does not answer: {error}")))
}
