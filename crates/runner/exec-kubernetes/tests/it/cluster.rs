//! The stand-in for a cluster, as a process. The tests with the real agents use it too.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use sha2::{Digest, Sha256};

const SCRIPT: &str = include_str!("../cluster.py");

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
    pub(crate) streams: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    root: PathBuf,
}

impl Cluster {
    /// Starts a cluster in an empty folder.
    pub(crate) fn start(options: &Options, root: &Path) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT, "--protocol", options.protocol, "--root"]).arg(root);
        for pod in options.pods {
            command.args(["--pod", pod]);
        }
        if let Some(seed) = options.drop_seed {
            command.args(["--drop-seed", &seed.to_string()]);
        }
        let certificate = options.is_secure.then(|| {
            let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
            let (cert, key) = (root.join("cert.pem"), root.join("key.pem"));
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
        fs::write(root.join("kubeconfig"), kubeconfig).unwrap();
        let streams = Mutex::new((process.stdin.take().unwrap(), stdout));
        Self { process, streams, root: root.to_owned() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.root().join("kubeconfig")
    }

    /// Returns the folder of a pod.
    pub(crate) fn folder(&self, pod: &str) -> PathBuf {
        self.root().join(pod)
    }

    /// Puts the supervisor into a pod, as if it had been uploaded before.
    pub(crate) fn install(&self, pod: &str, supervisor: &Path) {
        let hash = Sha256::digest(fs::read(supervisor).unwrap());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = self.folder(pod).join(".rdev");
        fs::create_dir_all(&folder).unwrap();
        fs::copy(supervisor, folder.join(format!("rdev-supervise-{hash}"))).unwrap();
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
