//! Runs of agents in pods of a Kubernetes cluster: [`KubernetesBackend`], the port
//! [`ExecBackend`](rdev_runner_domain::ports::ExecBackend) over the supervisor of
//! [`rdev_runner_exec_local`] in the pod; [`PodVersionControl`], the version control of the workspaces there; and [`PodFiles`], their files.
//!
//! # One connection to each pod
//!
//! The backend executes the supervisor in the pod, which serves the runs of its folder over the standard streams of
//! that one `exec` ([`rdev_runner_exec_local::remote`]), for all runs in the pod. Only the way of the supervisor into a pod
//! needs a shell and some tools there. Nothing of a run is in the command line or the URL of the `exec`: specifications,
//! prompts and secrets go over its standard input.
//!
//! # Servers in pods
//!
//! A server in a pod listens on the loopback address of the pod. The runner reaches it through the supervisor of its run,
//! which has the connections and passes their bytes to and fro as answers to numbered requests
//! ([`connect`](rdev_runner_domain::ports::ExecBackend::connect)). It connects to no port but those at which the run itself
//! listens. Of each connection it keeps one piece, and reads no more before that has arrived.
//!
//! # What a lost connection means
//!
//! Nothing for the run, whose supervisor goes on. The backend connects again and repeats what had no answer; a start and a
//! write to the input carry a token, and take effect once, and bytes for and from a server carry their offset, so that its
//! connections go on too. The end of a run is what its `exit.json` says. A run is lost
//! if its pod was deleted or replaced, which the `uid` tells, or if the pod knows it no more.
//!
//! # Every runner finds a run
//!
//! The pod of a run is recorded in a [`PodRepository`](rdev_runner_domain::ports::PodRepository) before the run starts,
//! which all runners share. So a runner that takes over a command finds the run, wherever it was started.

mod backend;
mod cluster;
mod connect;
mod error;
mod files;
mod git;
mod link;
mod places;
mod retries;

pub use backend::{KubernetesBackend, KubernetesSettings};
pub use error::PodError;
pub use files::PodFiles;
pub use git::PodVersionControl;
