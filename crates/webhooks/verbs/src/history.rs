//! The options that the lists of events and of deliveries have in common.

use clap::Args;
use rdev_cli::ListArgs;
use rdev_cli::times::past;

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// Only of events with this data.command_id
    #[arg(long, value_name = "COMMAND")]
    pub(crate) command_id: Option<String>,
    /// Created since: 2h, yesterday, 2025-01-15T10:30:00Z
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub(crate) since: Option<String>,
    /// Created before
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub(crate) until: Option<String>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}
