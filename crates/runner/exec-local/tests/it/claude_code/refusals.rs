//! A host that refuses operations.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use rdev_runner_domain::ports::{CodeAgent, ExecBackend, ExecError, ServerConnection};
use rdev_runner_domain::{ExecSpec, ExecState, Outcome, OutputStream, RunName};
use rdev_runner_testkit::exec::ExecHarness;
use rdev_runner_testkit::{RecordingSink, draft};
use tokio::sync::Notify;

use super::stand_in::bounded;
use crate::Scene;

/// A backend that refuses to read each output for the first time.
struct Refusing {
    backend: Arc<dyn ExecBackend>,
    reads: AtomicU32,
    /// Notified of a start, which takes forever then.
    starts: Option<Arc<Notify>>,
}

#[async_trait]
impl ExecBackend for Refusing {
    async fn version(&self, program: &str) -> Result<String, ExecError> {
        self.backend.version(program).await
    }

    async fn start(&self, run: &RunName, spec: &ExecSpec) -> Result<(), ExecError> {
        if let Some(starts) = &self.starts {
            starts.notify_one();
            pending::<()>().await;
        }
        self.backend.start(run, spec).await
    }

    async fn withdraw(&self, run: &RunName) -> Result<bool, ExecError> {
        self.backend.withdraw(run).await
    }

    async fn runs(&self) -> Result<Vec<RunName>, ExecError> {
        self.backend.runs().await
    }

    async fn status(&self, run: &RunName) -> Result<ExecState, ExecError> {
        self.backend.status(run).await
    }

    async fn wait(&self, run: &RunName) -> Result<ExecState, ExecError> {
        self.backend.wait(run).await
    }

    async fn follow_output(
        &self,
        run: &RunName,
        stream: OutputStream,
        offset: u64,
    ) -> Result<Vec<u8>, ExecError> {
        if self.reads.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            let source = Box::new(io::Error::other("too many open files"));
            return Err(ExecError::Host { action: "use the folder of a run", source });
        }
        self.backend.follow_output(run, stream, offset).await
    }

    async fn tail_output(
        &self,
        run: &RunName,
        stream: OutputStream,
        max_bytes: usize,
    ) -> Result<Vec<u8>, ExecError> {
        self.backend.tail_output(run, stream, max_bytes).await
    }

    async fn write_input(&self, run: &RunName, bytes: &[u8]) -> Result<(), ExecError> {
        self.backend.write_input(run, bytes).await
    }

    async fn write_note(&self, name: &RunName, beside: &RunName, note: &str) -> Result<(), ExecError> {
        self.backend.write_note(name, beside, note).await
    }

    async fn read_note(&self, name: &RunName) -> Result<Option<String>, ExecError> {
        self.backend.read_note(name).await
    }

    async fn close_input(&self, run: &RunName) -> Result<(), ExecError> {
        self.backend.close_input(run).await
    }

    async fn connect(&self, run: &RunName, port: u16) -> Result<Box<dyn ServerConnection>, ExecError> {
        self.backend.connect(run, port).await
    }

    async fn sweep(&self, run: &RunName) -> Result<u32, ExecError> {
        self.backend.sweep(run).await
    }

    async fn terminate(&self, run: &RunName) -> Result<(), ExecError> {
        self.backend.terminate(run).await
    }

    async fn remove(&self, run: &RunName) -> Result<(), ExecError> {
        self.backend.remove(run).await
    }
}

#[tokio::test]
async fn a_refusal_for_a_moment_ends_no_run() {
    let scene = Scene::new();
    let backend = Refusing { backend: scene.backend(), reads: AtomicU32::new(0), starts: None };
    let (agent, run, sink) =
        (scene.agent_on(Arc::new(backend)), scene.agent_run(draft(1, "Hello.")), RecordingSink::default());
    let result = bounded(agent.execute(&run, &sink)).await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Hello."));
}

#[tokio::test]
async fn a_start_that_takes_long_is_cancelled() {
    let scene = Scene::new();
    let starts = Arc::new(Notify::new());
    let backend =
        Refusing { backend: scene.backend(), reads: AtomicU32::new(0), starts: Some(Arc::clone(&starts)) };
    let (agent, run, sink) =
        (scene.agent_on(Arc::new(backend)), scene.agent_run(draft(1, "Hello.")), RecordingSink::default());
    let cancelling = async {
        starts.notified().await;
        agent.cancel(run.command_id()).await;
    };
    let (result, ()) = bounded(async { tokio::join!(agent.execute(&run, &sink), cancelling) }).await;
    assert_eq!(result.outcome, Outcome::Cancelled);
    assert!(scene.backend().runs().await.unwrap().is_empty());
}
