//! Starts, names and places of runs.

use rdev_runner_domain::ports::ExecError;
use rdev_runner_domain::{ExecSpec, ExecState, OutputStream, Workspace};

use super::{ExecHarness, name, spec, start, start_as};

/// The first line of the version is returned, and a reason where there is none.
pub async fn a_version_is_reported(harness: &dyn ExecHarness) {
    let backend = harness.backend();
    let version = backend.version("env").await.expect("a version");
    assert!(version.contains("env") && !version.contains('\n'), "{version:?}");
    let missing = backend.version("no-such-program").await;
    assert!(matches!(missing, Err(ExecError::ProgramNotFound { .. })), "{missing:?}");
    let failed = backend.version("false").await;
    // Some implementations of `false` have no version.
    assert!(!matches!(failed, Err(ExecError::ProgramNotFound { .. })), "{failed:?}");
}

/// A second run under a name is refused, and the first one is not disturbed.
pub async fn a_name_has_one_run(harness: &dyn ExecHarness) {
    let run = start(harness, "one", "cat").await;
    let again = run.backend.start(&run.name, &spec(harness, "echo again")).await;
    assert!(matches!(again, Err(ExecError::NameTaken(_))), "{again:?}");
    run.write("first").await.expect("the input is open");
    run.close().await;
    assert_eq!(run.output().await, "first");
    let again = run.backend.start(&run.name, &spec(harness, "echo again")).await;
    assert!(matches!(again, Err(ExecError::NameTaken(_))), "{again:?}");
}

/// The program finds its variables, the backend's, and no others.
pub async fn a_program_has_the_environment_of_its_specification(harness: &dyn ExecHarness) {
    let mut spec = spec(harness, "env; echo directory=$(pwd)");
    for (name, value) in [("SECRET", "sk-secret"), ("HOME", "/elsewhere"), ("TMPDIR", "/elsewhere")] {
        spec.env.insert(name.to_owned(), value.into());
    }
    let output = start_as(harness, "one", &spec).await.output().await;
    let mut variables: Vec<_> = output.lines().filter_map(|line| line.split_once('=')).collect();
    // The shell's own.
    variables.retain(|(name, _)| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name));
    variables.sort_unstable();
    let names: Vec<_> = variables.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["HOME", "LANG", "PATH", "SECRET", "TMPDIR", "directory"]);
    assert!(variables.iter().all(|(_, value)| *value != "/elsewhere"), "{variables:?}");
    assert!(variables.contains(&("SECRET", "sk-secret")), "{variables:?}");
    let Workspace::Local { path } = harness.workspace() else { return };
    assert!(variables.contains(&("directory", path.as_str())), "{variables:?}");
}

/// The home is private, and the same for each run of a project alone.
pub async fn a_project_has_a_home(harness: &dyn ExecHarness) {
    let first = start(harness, "one", "echo kept > \"$HOME/file\"; stat -c %a \"$HOME\"").await;
    assert_eq!(first.output().await, "700\n");
    let look = "cat \"$HOME/file\" 2>/dev/null || echo none";
    assert_eq!(start(harness, "two", look).await.output().await, "kept\n");
    let other = ExecSpec { project: "other".parse().expect("a name"), ..spec(harness, look) };
    assert_eq!(start_as(harness, "three", &other).await.output().await, "none\n");
}

/// The temporary folder is private, and gone after the run, with sockets, FIFOs and locked folders in it.
pub async fn a_run_leaves_no_temporary_folder(harness: &dyn ExecHarness) {
    let script = "cd \"$TMPDIR\"; mkdir -p a/b; mkfifo a/fifo; echo x > a/b/file; chmod 0 a/b; chmod 0 a; \
                  stat -c %a \"$TMPDIR\"; echo \"$TMPDIR\"";
    let run = start(harness, "one", script).await;
    let output = run.output().await;
    let (mode, path) = output.trim().split_once('\n').expect("two lines");
    assert_eq!(mode, "700");
    run.end().await;
    let look =
        start(harness, "two", &format!("test -e '{path}' && echo there || echo gone; echo $TMPDIR")).await;
    let output = look.output().await;
    let (state, other) = output.trim().split_once('\n').expect("two lines");
    assert_eq!(state, "gone");
    assert_ne!(other, path);
}

/// The private files are the user's alone, and gone after the run, also after one that is stopped.
pub async fn private_files_are_there_as_long_as_the_run(harness: &dyn ExecHarness) {
    let script = "stat -c '%a %n' \"$RDEV_SECRETS\" \"$KEY\"; cat \"$KEY\"; \
                  grep -l sk-secret \"$PATH\" 2>/dev/null; echo END; sleep 600";
    let mut spec = spec(harness, script);
    for (name, content) in [("KEY", "-----BEGIN KEY-----\né\n"), ("PATH", "sk-secret\n")] {
        spec.files.insert(name.parse().expect("a name"), content.into());
    }
    let run = start_as(harness, "one", &spec).await;
    let output = run.output_with("END\n").await;
    let lines: Vec<_> = output.lines().collect();
    let (folder, file) = (lines[0].strip_prefix("700 "), lines[1].strip_prefix("600 "));
    let (folder, file) = (folder.expect("a private folder"), file.expect("a private file"));
    assert_eq!(lines[2..], ["-----BEGIN KEY-----", "é", "END"]);
    assert!(file.starts_with(folder), "{output}");
    run.backend.terminate(&run.name).await.expect("the run goes on");
    run.end().await;
    let look = format!("test -e '{folder}' && echo there || echo gone; echo \"${{RDEV_SECRETS-none}}\"");
    assert_eq!(start(harness, "two", &look).await.output().await, "gone\nnone\n");
}

/// The end of a program that is not there has a reason; a workspace that is not there is refused.
pub async fn a_program_that_cannot_be_started_has_ended(harness: &dyn ExecHarness) {
    for (run, program) in [("one", "/no/such/program"), ("two", "no-such-program"), ("three", "/")] {
        let spec = ExecSpec { program: program.to_owned(), ..spec(harness, "true") };
        let end = start_as(harness, run, &spec).await.end().await;
        let error = end.start_error.expect("a reason");
        assert!(error.contains(program), "{error}");
        assert_eq!((end.exit_code, end.signal), (None, None));
    }
    let workspace = Workspace::Local { path: "/no/such/workspace".parse().expect("a path") };
    let refused =
        harness.backend().start(&name("four"), &ExecSpec { workspace, ..spec(harness, "true") }).await;
    assert!(matches!(refused, Err(ExecError::Workspace(_))), "{refused:?}");
    let unknown = harness.backend().status(&name("four")).await;
    assert!(matches!(unknown, Err(ExecError::UnknownRun(_))), "{unknown:?}");
}

/// Runs at the same time have their own input and output, and their own end.
pub async fn runs_are_kept_apart(harness: &dyn ExecHarness) {
    let (one, two) = (start(harness, "one", "cat").await, start(harness, "two", "cat").await);
    one.write("for one\n").await.expect("the input is open");
    two.write("for two\n").await.expect("the input is open");
    assert_eq!(one.output_with("\n").await, "for one\n");
    assert_eq!(two.output_with("\n").await, "for two\n");
    one.stop().await;
    one.end().await;
    two.write("still there\n").await.expect("the input is open");
    assert_eq!(two.output_with("there\n").await, "for two\nstill there\n");
    two.close().await;
    assert_eq!(two.end().await.exit_code, Some(0));
}

/// Another instance of the backend continues a run.
pub async fn a_run_outlives_its_backend(harness: &dyn ExecHarness) {
    let run = start(harness, "one", "read line; echo \"got $line\"; exit 5").await;
    let name = run.name.clone();
    drop(run);
    let backend = harness.backend();
    assert_eq!(backend.status(&name).await.expect("a state"), ExecState::Running);
    backend.write_input(&name, b"a line\n").await.expect("the input is open");
    let backend = harness.backend();
    let ExecState::Ended(end) = backend.wait(&name).await.expect("a state") else {
        panic!("it has not ended")
    };
    assert_eq!(end.exit_code, Some(5));
    let output = harness.backend().follow_output(&name, OutputStream::Stdout, 4).await.expect("an output");
    assert_eq!(output, b"a line\n");
}

/// Every instance of the backend lists the runs that were not removed, ended ones included.
pub async fn the_runs_are_known_until_they_are_removed(harness: &dyn ExecHarness) {
    let listed = async || {
        let mut runs = harness.backend().runs().await.expect("the runs");
        runs.sort_unstable();
        runs
    };
    assert_eq!(listed().await, []);
    let (one, two) = (start(harness, "one", "cat").await, start(harness, "two", "true").await);
    two.end().await;
    assert_eq!(listed().await, [name("one"), name("two")]);
    two.backend.remove(&two.name).await.expect("the run is removed");
    assert_eq!(listed().await, [name("one")]);
    one.close().await;
    one.end().await;
    one.backend.remove(&one.name).await.expect("the run is removed");
    assert_eq!(listed().await, []);
}

/// A run stays until it has ended; its name is free once it is removed.
pub async fn only_an_ended_run_is_removed(harness: &dyn ExecHarness) {
    let run = start(harness, "one", "cat").await;
    let refused = run.backend.remove(&run.name).await;
    assert!(matches!(refused, Err(ExecError::StillRunning(_))), "{refused:?}");
    run.write("still there").await.expect("the input is open");
    run.close().await;
    assert_eq!(run.output().await, "still there");
    run.backend.remove(&run.name).await.expect("the run is removed");
    let removed = run.backend.remove(&run.name).await;
    assert!(matches!(removed, Err(ExecError::UnknownRun(_))), "{removed:?}");
    assert_eq!(start(harness, "one", "echo another").await.output().await, "another\n");
}

/// Every operation says that there is no such run.
pub async fn an_unknown_run_is_refused(harness: &dyn ExecHarness) {
    let (backend, run) = (harness.backend(), name("unknown"));
    let stdout = OutputStream::Stdout;
    let refusals = [
        backend.status(&run).await.err(),
        backend.wait(&run).await.err(),
        backend.follow_output(&run, stdout, 0).await.err(),
        backend.tail_output(&run, stdout, 1).await.err(),
        backend.write_input(&run, b"x").await.err(),
        backend.close_input(&run).await.err(),
        backend.terminate(&run).await.err(),
        backend.remove(&run).await.err(),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, Some(ExecError::UnknownRun(_))), "{refusal:?}");
    }
}

/// A run that has begun is left alone, and a name without a run is free.
pub async fn only_a_run_that_has_not_begun_is_withdrawn(harness: &dyn ExecHarness) {
    let run = start(harness, "one", "echo begun; read line; echo \"$line\"").await;
    run.output_with("begun\n").await;
    let withdraw = async || harness.backend().withdraw(&run.name).await.expect("answered");
    assert!(!withdraw().await);
    run.write("goes on\n").await.expect("written");
    assert_eq!(run.end().await.exit_code, Some(0));
    assert!(!withdraw().await, "it has ended");
    assert_eq!(run.output().await, "begun\ngoes on\n");
    run.backend.remove(&run.name).await.expect("removed");
    assert!(withdraw().await, "there is no run");
    start(harness, "one", "true").await.end().await;
}

/// What a runner has to know of a run is where the run is, for each runner.
pub async fn a_note_is_kept_beside_a_run(harness: &dyn ExecHarness) {
    let run = start(harness, "one", "exec cat").await;
    let note = name("note-1");
    let read = async || harness.backend().read_note(&note).await.expect("answered");
    assert_eq!(read().await, None);
    for text in ["first", "{\"a\": \"\u{e9}\\n\"}"] {
        run.backend.write_note(&note, &run.name, text).await.expect("written");
        assert_eq!(read().await.as_deref(), Some(text));
    }
    let missing = run.backend.write_note(&name("note-2"), &name("two"), "text").await;
    assert!(missing.is_err(), "it would be nowhere");
    assert!(!harness.backend().withdraw(&note).await.expect("answered"));
    run.stop().await;
    run.end().await;
    run.backend.remove(&run.name).await.expect("removed");
    assert!(read().await.is_some());
    assert_eq!(harness.backend().runs().await.expect("listed"), std::slice::from_ref(&note));
    harness.backend().remove(&note).await.expect("removed");
    assert_eq!((read().await, harness.backend().runs().await.expect("listed")), (None, Vec::new()));
}
