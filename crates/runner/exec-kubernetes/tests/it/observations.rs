//! What the tests order the cluster to do, and what they see of it.

use std::fs;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use crate::cluster::Cluster;

impl Cluster {
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
