//! The options for where the data is and where the API listens.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use rdev_process::options::bind_address;

use crate::DatabaseUrlArgs;

// The options of the database, including the data dir, where one can be created.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    #[command(flatten)]
    pub database_url: DatabaseUrlArgs,

    /// Directory of the embedded database and the generated keys
    #[arg(long, env = "RDEV_DATA_DIR", value_name = "DIR", default_value = "./.rdev")]
    pub data_dir: PathBuf,
}

// The address of the API.
#[derive(Debug, Args)]
pub struct BindArgs {
    /// Address that the API listens on
    #[arg(long, env = "RDEV_BIND", value_name = "ADDRESS", default_value = "127.0.0.1:8080",
          value_parser = bind_address)]
    pub bind: SocketAddr,
}
