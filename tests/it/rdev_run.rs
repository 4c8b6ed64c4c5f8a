//! `rdev run` and the verbs of commands and projects, with the demo agent.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rdev_webhooks_tests::{CommandLine, Process, Terminal, binary};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A server, and a user in a folder of their own.
struct Scene {
    server: Process,
    user: CommandLine,
    data_dir: PathBuf,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts the server with further options.
    async fn start_with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (home, data_dir) = (folder.path().join("my-project"), folder.path().join("data"));
        std::fs::create_dir(&home).unwrap();
        let args =
            ["serve", "--bind", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap(), "--log", "warn"];
        let server = Process::start("rdev", &[&args, options].concat(), &[], "Press Ctrl-C to stop").await;
        let user = CommandLine::new(&home, &data_dir).of("rdev");
        Self { server, user, data_dir, _folder: folder }
    }

    /// Starts `rdev run` with its output and what it says in one stream.
    fn running(&self, args: &str) -> tokio::process::Command {
        let mut command = self.user.command(Path::new("/bin/sh"));
        command.args(["-c", &format!("exec {} run {args} 2>&1", binary("rdev").display())]);
        command
    }

    async fn status(&self, command: &str) -> String {
        let shown = self.user.line(&format!("commands show {command} -o ndjson")).await.expect(0);
        serde_json::from_str::<Value>(&shown).unwrap()["status"].as_str().unwrap().to_owned()
    }
}

fn numbers(lines: &str) -> Vec<u64> {
    lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap()).collect()
}

/// Returns the id of the command that a run names.
fn id(printed: &str) -> String {
    let words = printed.split_whitespace();
    words.into_iter().find(|word| word.starts_with("cmd_")).expect("it names its command").to_owned()
}

#[tokio::test]
async fn a_run_makes_the_folders_project_and_shows_what_happens() {
    let scene = Scene::start().await;
    let ended = scene.user.run(&["run", "demo", "Good day.\n/tool Read\n/deny Bash"]).await;
    for said in
        ["Project my-project is made for ", "cmd_", "● Read", "✗ denied: Bash", " completed after ", "denied"]
    {
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
    }
    assert_eq!(ended.expect(0), "Good day.");
    // The project is found again, and another one of its name is left alone.
    let again = scene.user.run_with_input(&["run", "demo", "-"], "From standard input.").await;
    assert!(!again.stderr.contains("is made"), "{again:?}");
    assert_eq!(again.expect(0), "From standard input.");
    let project = scene.user.line("projects show my-project -o json").await.expect(0);
    let elsewhere = scene.user.home.join("inner/my-project");
    std::fs::create_dir_all(&elsewhere).unwrap();
    let other = CommandLine::new(&elsewhere, &scene.data_dir).of("rdev");
    other.run(&["run", "demo", "Hello there."]).await.expect(0);
    assert_eq!(scene.user.line("projects list -o id").await.expect(0), "my-project\nmy-project-2");
    assert_eq!(scene.user.line("projects show my-project -o json").await.expect(0), project);

    let events = scene.user.run(&["run", "demo", "-o", "json", "One.\n/tool Read"]).await.expect(0);
    let seen = numbers(&events);
    assert!(seen.len() > 2 && seen == (1..=seen.len() as u64).collect::<Vec<_>>(), "{events}");
    assert!(scene.server.stop().await.success());
}

#[tokio::test]
async fn a_run_says_why_its_agent_cannot_run() {
    let scene = Scene::start_with(&["--claude-path", "/nowhere/claude"]).await;
    let mut run = Process::spawn(scene.running("claude 'Good day.'"), "It waits: ").await;
    run.wait_for("/nowhere/claude").await;
    run.signal("INT").await;
    run.wait_for("cancelled").await;
}

#[tokio::test]
async fn a_run_in_a_repository_says_what_it_has_changed() {
    let scene = Scene::start().await;
    let git = |args: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.current_dir(&scene.user.home).args(["-c", "user.name=n", "-c", "user.email=n@example.com"]);
        let output = git.args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "--quiet"]);
    git(&["commit", "--quiet", "--allow-empty", "--message", "first"]);
    std::fs::write(scene.user.home.join("new"), "a line\n").unwrap();
    let ended = scene.user.run(&["run", "demo", "Good day."]).await;
    assert!(ended.stderr.contains(", 1 file changed (+1 -0)"), "{ended:?}");
    assert!(!ended.stderr.contains("To continue"), "the demo cannot: {ended:?}");
    let shown = scene.user.line(&format!("commands show {} -o ndjson", id(&ended.stderr))).await.expect(0);
    let changes = serde_json::from_str::<Value>(&shown).unwrap()["result"]["changes"].clone();
    assert_eq!(changes["commit"].as_str().unwrap(), git(&["rev-parse", "HEAD"]).trim());
    assert!(changes["diff"].as_str().unwrap().ends_with("+a line\n"), "{changes}");
    let shown = scene.user.line(&format!("commands show {}", id(&ended.stderr))).await.expect(0);
    assert!(shown.ends_with("\n+++ b/new\n@@ -0,0 +1 @@\n+a line"), "{shown}");
    assert!(!shown.contains("result.changes.diff"), "{shown}");
    let listed = scene.user.line("commands list -o ndjson").await.expect(0);
    let listed = serde_json::from_str::<Value>(listed.lines().next().unwrap()).unwrap();
    let without_diff = (&listed["result"]["changes"]["files"], &listed["result"]["changes"]["diff"]);
    assert_eq!(without_diff, (&1.into(), &Value::Null));
}

#[tokio::test]
async fn the_exit_code_and_the_verbs_of_commands_say_how_it_ended() {
    let scene = Scene::start().await;
    let failed = scene.user.run(&["run", "demo", "/fail Nothing works."]).await;
    assert!(failed.stderr.contains(" failed (") && failed.stderr.contains("Nothing works."), "{failed:?}");
    let first = id(&failed.stderr);
    failed.expect(1);
    let tail = scene.user.line(&format!("commands tail {first} -o ndjson")).await;
    assert_eq!(numbers(&tail.stdout).first(), Some(&1));
    tail.expect(1);
    let again = scene.user.line(&format!("commands run-again {first} -o id")).await.expect(0);
    scene.user.line(&format!("commands tail {again}")).await.expect(1);
    assert_eq!(
        scene.user.line("commands list --status failed -o id").await.expect(0),
        format!("{again}\n{first}")
    );
    scene.user.line(&format!("commands cancel {first}")).await.expect(5);
    scene.user.line(&format!("commands delete {first} {again}")).await.expect(0);
    scene.user.line(&format!("commands show {first}")).await.expect(3);
    let forgotten = scene.user.line("run demo").await;
    assert!(forgotten.stderr.contains("the prompt is missing"), "{forgotten:?}");
    forgotten.expect(2);
    let unknown = scene.user.line("run nothing Hello").await;
    assert!(
        unknown.stderr.contains("/type") && unknown.stderr.contains("try: rdev providers"),
        "{unknown:?}"
    );
    unknown.expect(4);
    let secret = scene.user.line("run demo --secret NOPE Hello").await;
    assert!(secret.stderr.contains("/secrets") && secret.stderr.contains("--secret-env NOPE"), "{secret:?}");
    secret.expect(4);
    let providers = scene.user.line("providers -o id").await.expect(0);
    assert!(providers.lines().any(|name| name == "demo"), "{providers}");

    let made =
        scene.user.line("projects create other --provider demo --max-running 2 --wall 10m -o ndjson").await;
    let made: Value = serde_json::from_str(&made.expect(0)).unwrap();
    assert_eq!((&made["max_running"], &made["limits"]["wall_ms"]), (&2.into(), &600_000.into()));
    let changed =
        scene.user.line("projects update other --allow Read --unset limits.wall_ms -o ndjson").await;
    let changed: Value = serde_json::from_str(&changed.expect(0)).unwrap();
    assert_eq!(
        (&changed["allowed_tools"][0], &changed["limits"]["wall_ms"]),
        (&"Read".into(), &3_600_000.into())
    );
    scene.user.line("projects update other").await.expect(2);
    let detached = scene.user.line("run --project other --detach -o id demo Hello.").await.expect(0);
    scene.user.line(&format!("commands tail {detached}")).await.expect(0);
    scene.user.line("projects delete other").await.expect(0);
}

#[tokio::test]
async fn an_interrupt_cancels_the_command_and_a_second_one_leaves() {
    let scene = Scene::start().await;
    let mut run = Process::spawn(scene.running("demo 'Hold on.\n/wait 9h'"), "Hold on.").await;
    let command = id(&run.printed);
    run.signal("INT").await;
    run.wait_for("cancelled").await;
    assert_eq!(run.end().await.code(), Some(130));
    assert_eq!(scene.status(&command).await, "cancelled");

    // The server does not answer, so that the first interrupt changes nothing.
    let mut run = Process::spawn(scene.running("demo 'Hold on.\n/wait 9h'"), "Hold on.").await;
    let command = id(&run.printed);
    scene.server.signal("STOP").await;
    run.signal("INT").await;
    run.wait_for("^C again").await;
    run.signal("INT").await;
    assert_eq!(run.end().await.code(), Some(130));
    scene.server.signal("CONT").await;
    scene.user.line(&format!("commands cancel {command}")).await;
    scene.user.line(&format!("commands tail {command}")).await.expect(130);
}

/// Passes connections on to a server, until they are cut.
struct Proxy {
    url: String,
    connections: Arc<Mutex<JoinSet<()>>>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = server.trim_start_matches("http://").to_owned();
        let connections: Arc<Mutex<JoinSet<()>>> = Arc::default();
        let accepted = Arc::clone(&connections);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut upstream = TcpStream::connect(&server).await.unwrap();
                accepted.lock().unwrap().spawn(async move {
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
                });
            }
        });
        Self { url, connections, _accepting: accepting }
    }

    fn cut(&self) {
        self.connections.lock().unwrap().abort_all();
    }
}

#[tokio::test]
async fn a_broken_connection_leaves_no_gap() {
    let scene = Scene::start().await;
    let proxy = Proxy::start(&scene.server.base()).await;
    let lines: Vec<_> = (1..=4).map(|line| format!("Line {line}.\n/wait 300ms")).collect();
    let args = format!("--url {} -o json demo '{}'", proxy.url, lines.join("\n"));
    let mut run = Process::spawn(scene.running(&args), "Line 1.").await;
    proxy.cut();
    run.wait_for("Line 3.").await;
    proxy.cut();
    run.wait_for("completed").await;
    let events: Vec<_> = run.printed.lines().filter(|line| line.starts_with('{')).collect();
    let seen = numbers(&events.join("\n"));
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>(), "{}", run.printed);
    assert!(run.printed.contains("reconnecting") && run.printed.contains("Line 4."), "{}", run.printed);
    assert_eq!(run.end().await.code(), Some(0));
}

#[tokio::test]
async fn a_terminal_shows_text_and_tools_in_order() {
    let scene = Scene::start().await;
    let prompt = "First.\n/tool Read\nSecond. \u{1b}[31mred";
    let run = Terminal::start(&scene.user, &binary("rdev"), &["run", "demo", prompt]);
    let (code, shown) = run.end().await;
    assert_eq!(code, 0, "{shown}");
    let places = ["First.", "● Read", "Second. [31mred", "completed after"].map(|part| shown.find(part));
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{places:?} {shown}");
}

#[tokio::test]
async fn without_a_server_it_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    let user = CommandLine::new(folder.path(), &folder.path().join("none")).of("rdev");
    let never = user.line("run demo Hello").await;
    assert!(never.stderr.contains("no server") && never.stderr.contains("try: rdev serve"), "{never:?}");
    never.expect(2);
    let key = "a-key-of-a-test-that-is-long-enough";
    let gone =
        user.with("RDEV_API_KEY", key).with("RDEV_URL", "http://127.0.0.1:1").line("run demo Hello").await;
    assert!(gone.stderr.contains("cannot connect") && gone.stderr.contains("try: rdev serve"), "{gone:?}");
    gone.expect(6);
}
