//! The options of the servers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rdev_process::options::{DrainArgs, TelemetryArgs, bind_address, positive_duration};
use rdev_runner_domain::{ClusterId, SecretName};
use rdev_webhooks_options::{ApiKeyArgs, BindArgs, EncryptionKeyArgs, PlaceArgs, ServerArgs, SystemArgs};

use crate::woodpecker::WoodpeckerArgs;

// The options of everything in one process.
#[derive(Debug, Args)]
// The name is taken by the flattened options.
#[group(skip)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) webhooks: rdev_webhooks_options::ServeArgs,
    #[command(flatten)]
    pub(crate) agents: AgentArgs,
    #[command(flatten)]
    pub(crate) workspaces: WorkspaceArgs,
    #[command(flatten)]
    pub(crate) templates: TemplateArgs,
    #[command(flatten)]
    pub(crate) woodpecker: WoodpeckerArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) runner: RunnerArgs,
}

// The options of the API alone.
#[derive(Debug, Args)]
pub(crate) struct ApiArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) encryption_key: EncryptionKeyArgs,
    #[command(flatten)]
    pub(crate) bind: BindArgs,
    #[command(flatten)]
    pub(crate) api_key: ApiKeyArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) system: SystemArgs,
    #[command(flatten)]
    pub(crate) agents: AgentArgs,
    #[command(flatten)]
    pub(crate) workspaces: WorkspaceArgs,
    #[command(flatten)]
    pub(crate) templates: TemplateArgs,
    #[command(flatten)]
    pub(crate) woodpecker: WoodpeckerArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) drain: DrainArgs,
    #[command(flatten)]
    pub(crate) telemetry: TelemetryArgs,
}

// The options of a runner alone.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) encryption_key: EncryptionKeyArgs,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
    #[command(flatten)]
    pub(crate) system: SystemArgs,
    #[command(flatten)]
    pub(crate) agents: AgentArgs,
    #[command(flatten)]
    pub(crate) workspaces: WorkspaceArgs,
    #[command(flatten)]
    pub(crate) woodpecker: WoodpeckerArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) runner: RunnerArgs,
    #[command(flatten)]
    pub(crate) drain: DrainArgs,
    #[command(flatten)]
    pub(crate) telemetry: TelemetryArgs,
}

// The address of a process without an API.
#[derive(Debug, Args)]
pub(crate) struct AdminArgs {
    /// Address of /healthz, /readyz and /metrics
    #[arg(long, env = "RDEV_ADMIN_BIND", value_name = "ADDRESS", default_value = "127.0.0.1:9091",
          value_parser = bind_address)]
    pub(crate) admin_bind: SocketAddr,
}

// The agents of a host.
#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// Claude Code's program: a path, or a name to find on the PATH
    #[arg(long, env = "RDEV_CLAUDE_PATH", value_name = "PROGRAM", default_value = "claude")]
    pub(crate) claude_path: String,

    /// OpenCode's program: a path, or a name to find on the PATH
    #[arg(long, env = "RDEV_OPENCODE_PATH", value_name = "PROGRAM", default_value = "opencode")]
    pub(crate) opencode_path: String,

    /// This process runs in a sandbox of its own, such as a container, in which agents may have the permissions `full`
    /// also as root
    #[arg(long, env = "RDEV_SANDBOXED")]
    pub(crate) sandboxed: bool,

    /// Home directory from which the agents' sign-in is copied into the home of each project
    #[arg(long, env = "RDEV_AGENT_HOME", value_name = "DIR")]
    pub(crate) agent_home: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) pods: PodArgs,
}

// The cluster of workspaces in pods.
#[derive(Debug, Args)]
pub(crate) struct PodArgs {
    /// File that names the Kubernetes cluster of workspaces in pods [default: the cluster in which this process runs, else
    /// that of KUBECONFIG or ~/.kube/config]
    #[arg(long, env = "RDEV_KUBECONFIG", value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Name of the cluster, the same for all runners that reach its pods: needed if several clusters have the same
    /// certificate authority [default: a hash of the certificate authority]
    #[arg(long, env = "RDEV_CLUSTER_NAME", value_name = "NAME")]
    pub(crate) cluster_name: Option<ClusterId>,

    /// The executable rdev-supervise that is put into pods, built for their nodes without shared libraries [default:
    /// rdev-supervise beside this program]
    #[arg(long, env = "RDEV_POD_SUPERVISOR", value_name = "FILE")]
    pub(crate) pod_supervisor: Option<PathBuf>,

    /// Agents are installed in pods: one that this host lacks can run all the same
    #[arg(long, env = "RDEV_AGENTS_IN_PODS")]
    pub(crate) agents_in_pods: bool,
}

// The place of workspaces.
#[derive(Debug, Args)]
pub(crate) struct WorkspaceArgs {
    /// Directory below which local workspaces lie; only the administrator key may name others [default:
    /// DATA_DIR/workspaces]
    #[arg(long, env = "RDEV_WORKSPACE_ROOT", value_name = "DIR")]
    pub(crate) workspace_root: Option<PathBuf>,
}

// The templates of projects.
#[derive(Debug, Args)]
pub(crate) struct TemplateArgs {
    /// Directory with templates of projects, each in a directory of its name, beside the built-in ones
    #[arg(long, env = "RDEV_TEMPLATES", value_name = "DIR")]
    pub(crate) templates: Option<PathBuf>,
}

// The limits that the API explains and runners keep.
#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// Maximum commands that run at once, over all runners of the database: 1 to 1000
    #[arg(long, env = "RDEV_MAX_RUNNING", value_name = "N", default_value = "4",
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) max_running: u32,
}

// The options of a runner.
#[derive(Debug, Args)]
pub(crate) struct RunnerArgs {
    /// How long after the end of its lease a command is lost that no runner has taken over
    #[arg(long, env = "RDEV_LOST_AFTER", value_name = "DURATION", default_value = "10m",
          value_parser = positive_duration)]
    pub(crate) lost_after: Duration,

    /// How long ended commands are kept, with their events
    #[arg(long, env = "RDEV_COMMAND_RETENTION", value_name = "DURATION", default_value = "30d",
          value_parser = positive_duration)]
    pub(crate) command_retention: Duration,

    /// Variable of this process's environment that commands may name as a secret; may be repeated
    #[arg(long, env = "RDEV_SECRET_ENV", value_name = "NAME", value_delimiter = ',')]
    pub(crate) secret_env: Vec<SecretName>,
}
