//! A secret that an agent prints in every way is nowhere.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rdev_runner_domain::{AgentEventKind, AgentResult, CommandId, CommandStatus, Denial, Outcome};
use rdev_webhooks_testkit::subscribe_thread;

use super::agent::{ScriptedAgent, World, result};
use super::scene::{Scene, command, registry, sqlite, sqlite_store};

/// A variable that cargo sets for every test, and its value. No other text of the test contains it.
const NAME: &str = "CARGO_MANIFEST_DIR";
const SECRET: &str = env!("CARGO_MANIFEST_DIR");

fn forms() -> Vec<String> {
    let percent = percent_encoding::utf8_percent_encode(SECRET, percent_encoding::NON_ALPHANUMERIC);
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    vec![
        SECRET.to_owned(),
        STANDARD.encode(SECRET),
        URL_SAFE_NO_PAD.encode(SECRET),
        percent.to_string(),
        SECRET.replace('/', "\\/"),
        hex,
    ]
}

fn script(_: CommandId, number: usize) -> Option<AgentEventKind> {
    let forms = forms();
    let per_form = 7;
    let form = forms.get(number / per_form)?.clone();
    let (head, tail) = form.split_at(form.len() / 2);
    let parent = None;
    Some(match number % per_form {
        0 => AgentEventKind::Raw { text: format!("stderr: {form}") },
        1 => AgentEventKind::Raw { text: format!("a line of {head}") },
        2 => AgentEventKind::Raw { text: format!("{tail} and more") },
        3 => AgentEventKind::TextDelta { text: format!("It is {head}"), parent },
        4 => AgentEventKind::TextDelta { text: format!("{tail}."), parent },
        5 => AgentEventKind::Message { text: format!("It is {form}."), parent },
        _ => {
            let content = format!("{{\"value\": \"{head}\n    {tail}\"}}");
            AgentEventKind::ToolResult { id: form, content, is_error: false, parent }
        }
    })
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_secret_is_in_no_byte_of_the_database_and_the_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = subscribe_thread(subscriber);
    let folder = tempfile::tempdir().unwrap();
    let pool = sqlite(folder.path()).await;
    let store = sqlite_store(&pool).await;
    let all = forms().join(" ");
    let denial = Denial { tool: all.clone(), id: Some(all.clone()), input: Some(all.clone()) };
    let result =
        AgentResult { detail: Some(all.clone()), denials: vec![denial], ..result(Outcome::Completed, &all) };
    let world = World::default();
    let mut scene = Scene::new(&store, registry(ScriptedAgent::new(script, result, &world))).await;
    scene.allow_secrets(&[NAME]);
    let runner = scene.start();
    let mut draft = command(1, "Hello.");
    draft.secrets = [NAME.parse().unwrap()].into();
    let id = scene.add(draft).await;
    let ended = scene.ended(id).await;
    assert_eq!(ended.state.status(), CommandStatus::Completed);
    assert!(ended.result.unwrap().text.contains("[redacted]"));
    let events = scene.events(id).await;
    assert!(events.len() >= forms().len() * 5, "{events:?}");
    runner.stop().await.unwrap();
    let mut bytes = log.0.lock().unwrap().clone();
    assert!(String::from_utf8_lossy(&bytes).contains("command ended"), "the log is empty");
    pool.close().await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("It is [redacted]."), "the database was not read");
    for form in forms() {
        let (head, tail) = form.split_at(form.len() / 2);
        for part in [&*form, head, tail] {
            assert!(!text.contains(part), "{part}");
        }
    }
}
