//! The stand-in for a cluster, as a process.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

const TOKEN: &str = "token-of-the-runner";

/// How the cluster behaves.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) pods: &'static [&'static str],
    pub(crate) protocol: &'static str,
    /// Whether it has TLS and asks for a token.
    pub(crate) is_secure: bool,
    pub(crate) drop_seed: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { pods: &["agent"], protocol: "v5", is_secure: false, drop_seed: None }
    }
}

/// A cluster, which ends with this value, and with it everything in its pods.
pub(crate) struct Cluster {
    process: Child,
    streams: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    directory: TempDir,
}

impl Cluster {
    pub(crate) fn start(options: &Options) -> Self {
        let directory = TempDir::new().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster.py");
        let mut command = Command::new("python3");
        command.arg(script).arg("--root").arg(directory.path()).args(["--protocol", options.protocol]);
        for pod in options.pods {
            command.args(["--pod", pod]);
        }
        if let Some(seed) = options.drop_seed {
            command.args(["--drop-seed", &seed.to_string()]);
        }
        let certificate = options.is_secure.then(|| {
            let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
            let (cert, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
            fs::write(&cert, pair.cert.pem()).unwrap();
            fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
            command.args(["--token", TOKEN]).arg("--cert").arg(&cert).arg("--key").arg(key);
            cert
        });
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("listening on ").expect("the cluster listens");
        let (scheme, authority) = match &certificate {
            Some(path) => ("https", format!(", certificate-authority: {}", path.display())),
            None => ("http", String::new()),
        };
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             clusters: [{{name: c, cluster: {{server: \"{scheme}://127.0.0.1:{port}\"{authority}}}}}]\n\
             users: [{{name: u, user: {{token: {TOKEN}}}}}]\n\
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
        );
        fs::write(directory.path().join("kubeconfig"), kubeconfig).unwrap();
        let streams = Mutex::new((process.stdin.take().unwrap(), stdout));
        Self { process, streams, directory }
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.root().join("kubeconfig")
    }

    /// Returns the folder of a pod.
    pub(crate) fn folder(&self, pod: &str) -> PathBuf {
        self.root().join(pod)
    }

    /// Puts the supervisor into a pod, as if it had been uploaded before.
    pub(crate) fn install(&self, pod: &str) {
        let supervisor = crate::supervisor();
        let hash = Sha256::digest(fs::read(&supervisor).unwrap());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = self.folder(pod).join(".rdev");
        fs::create_dir_all(&folder).unwrap();
        fs::copy(supervisor, folder.join(format!("rdev-supervise-{hash}"))).unwrap();
    }

    /// Puts the supervisor into a pod's image.
    pub(crate) fn install_in_image(&self, pod: &str) {
        let folder = self.folder(pod).join("bin");
        fs::create_dir_all(&folder).unwrap();
        fs::copy(crate::supervisor(), folder.join("rdev-supervise")).unwrap();
    }

    /// Has the cluster obey an order.
    pub(crate) fn order(&self, order: &str) {
        let mut streams = self.streams.lock().unwrap();
        writeln!(streams.0, "{order}").unwrap();
        let mut line = String::new();
        streams.1.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
    }

    /// Returns the requests that the cluster got.
    pub(crate) fn requests(&self) -> String {
        fs::read_to_string(self.root().join("requests.log")).unwrap()
    }

    /// Returns the command lines of the processes of a pod.
    pub(crate) fn processes(&self, pod: &str) -> Vec<String> {
        let folder = self.folder(pod).to_str().unwrap().to_owned();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let lines = processes.filter_map(|entry| {
            entry.file_name().to_str()?.parse::<u32>().ok()?;
            let read = |name: &str| {
                let bytes = fs::read(entry.path().join(name)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            // A process that has ended has neither.
            let (arguments, environment) = (read("cmdline"), read("environ"));
            (arguments.contains(&folder) || environment.contains(&folder)).then_some(arguments)
        });
        lines.filter(|line| !line.contains("cluster.py")).collect()
    }

    /// Waits until no process of a run is left in a pod.
    pub(crate) async fn has_no_runs(&self, pod: &str) {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let mut left = self.processes(pod);
            // They serve.
            left.retain(|line| !line.contains(" serve ") && !line.contains(" install "));
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "{left:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Ok(streams) = self.streams.get_mut() {
            let _ = writeln!(streams.0, "end");
        }
        let _ = self.process.wait();
    }
}
