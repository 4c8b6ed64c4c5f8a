//! A stand-in for a Kubernetes cluster, as a process of `python3`. Its pods are folders; what it executes in them are
//! processes of this machine.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use rdev_webhooks_testkit::eventually;
use sha2::{Digest, Sha256};

const SCRIPT: &str = include_str!("cluster.py");

const TOKEN: &str = "token-of-the-runner";

/// How a cluster behaves.
#[derive(Debug, Clone, Copy)]
pub struct ClusterOptions {
    /// The names of its pods.
    pub pods: &'static [&'static str],
    /// The version of the exec's protocol: `v4` or `v5`.
    pub protocol: &'static str,
    /// Whether it has TLS and asks for a token.
    pub is_secure: bool,
    /// Breaks every connection of an exec within half a second, at random by this seed.
    pub drop_seed: Option<u32>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self { pods: &["agent"], protocol: "v5", is_secure: false, drop_seed: None }
    }
}

/// A cluster, which ends with this value, and with it everything in its pods.
pub struct Cluster {
    process: Child,
    streams: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    root: PathBuf,
}

impl Cluster {
    /// Starts a cluster in an empty folder.
    ///
    /// # Panics
    ///
    /// Panics if that is not what happens.
    pub fn start(options: &ClusterOptions, root: &Path) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT, "--protocol", options.protocol, "--root"]).arg(root);
        for pod in options.pods {
            command.args(["--pod", pod]);
        }
        if let Some(seed) = options.drop_seed {
            command.args(["--drop-seed", &seed.to_string()]);
        }
        let certificate = options.is_secure.then(|| {
            let pair =
                rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("the cluster works");
            let (cert, key) = (root.join("cert.pem"), root.join("key.pem"));
            fs::write(&cert, pair.cert.pem()).expect("the cluster works");
            fs::write(&key, pair.signing_key.serialize_pem()).expect("the cluster works");
            command.args(["--token", TOKEN]).arg("--cert").arg(&cert).arg("--key").arg(key);
            cert
        });
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the cluster works");
        let mut stdout = BufReader::new(process.stdout.take().expect("the cluster works"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the cluster works");
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
        fs::write(root.join("kubeconfig"), kubeconfig).expect("the cluster works");
        let streams = Mutex::new((process.stdin.take().expect("the cluster works"), stdout));
        Self { process, streams, root: root.to_owned() }
    }

    /// Returns its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the file that names it.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.root().join("kubeconfig")
    }

    /// Returns the file that names it, for an account without rights.
    ///
    /// # Panics
    ///
    /// Panics if it cannot be written.
    #[must_use]
    pub fn kubeconfig_of_stranger(&self) -> PathBuf {
        let own = fs::read_to_string(self.kubeconfig()).expect("the cluster works");
        let path = self.root().join("kubeconfig-of-stranger");
        fs::write(&path, own.replace(TOKEN, "token-of-a-stranger")).expect("the cluster works");
        path
    }

    /// Returns the folder of a pod.
    #[must_use]
    pub fn folder(&self, pod: &str) -> PathBuf {
        self.root().join(pod)
    }

    /// Puts the supervisor into a pod, as if it had been uploaded before.
    ///
    /// # Panics
    ///
    /// Panics if that is not what happens.
    pub fn install(&self, pod: &str, supervisor: &Path) {
        let hash = Sha256::digest(fs::read(supervisor).expect("the cluster works"));
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = self.folder(pod).join(".rdev");
        fs::create_dir_all(&folder).expect("the cluster works");
        fs::copy(supervisor, folder.join(format!("rdev-supervise-{hash}"))).expect("the cluster works");
    }

    /// Puts the supervisor into a pod's image.
    ///
    /// # Panics
    ///
    /// Panics if that is not what happens.
    pub fn install_in_image(&self, pod: &str, supervisor: &Path) {
        let folder = self.folder(pod).join("bin");
        fs::create_dir_all(&folder).expect("the cluster works");
        fs::copy(supervisor, folder.join("rdev-supervise")).expect("the cluster works");
    }

    /// Has the cluster obey an order.
    ///
    /// # Panics
    ///
    /// Panics if that is not what happens.
    pub fn order(&self, order: &str) {
        let mut streams = self.streams.lock().expect("the cluster works");
        writeln!(streams.0, "{order}").expect("the cluster works");
        let mut line = String::new();
        streams.1.read_line(&mut line).expect("the cluster works");
        assert_eq!(line, "done\n");
    }

    /// Returns the requests that the cluster got.
    ///
    /// # Panics
    ///
    /// Panics if they cannot be read.
    #[must_use]
    pub fn requests(&self) -> String {
        fs::read_to_string(self.root().join("requests.log")).expect("the cluster works")
    }

    /// Returns the command lines of the processes of a pod.
    ///
    /// # Panics
    ///
    /// Panics if they cannot be read.
    #[must_use]
    pub fn processes(&self, pod: &str) -> Vec<String> {
        let folder = self.folder(pod).to_str().expect("the cluster works").to_owned();
        let processes = fs::read_dir("/proc").expect("the cluster works").flatten();
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
    ///
    /// # Panics
    ///
    /// Panics if that is not what happens.
    pub async fn has_no_runs(&self, pod: &str) {
        let ended = async || {
            let left = self.processes(pod);
            // The others serve.
            let is_run = |line: &String| !line.contains(" serve ") && !line.contains(" install ");
            (!left.iter().any(is_run)).then_some(())
        };
        eventually("the end of all runs in a pod", ended).await;
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
