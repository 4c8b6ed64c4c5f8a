//! The configuration file with its profiles. It contains keys, so only its owner may read it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;
use serde::{Deserialize, Serialize};

use crate::{Failure, Outcome, Program};

/// The content of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The profile that is used if none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The profiles by name.
    #[serde(default)]
    pub profiles: BTreeMap<String, Profile>,
}

/// A named connection.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The URL of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
}

/// Omits the key.
impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Returns the path of the file, which need not exist.
///
/// # Errors
/// Fails without a home directory.
pub fn path(program: &Program) -> Outcome<PathBuf> {
    Ok(xdg()?.config_dir().join(program.name).join("config.toml"))
}

/// Returns the folder of the state that commands keep between their runs.
///
/// # Errors
/// Fails without a home directory.
pub fn state_dir(program: &Program) -> Outcome<PathBuf> {
    let xdg = xdg()?;
    Ok(xdg.state_dir().unwrap_or_else(|| xdg.data_dir()).join(program.name))
}

fn xdg() -> Outcome<Xdg> {
    Xdg::new().map_err(|error| Failure::usage(format!("there is no home directory: {error}; set HOME")))
}

impl Config {
    /// Loads the file; a missing one is empty.
    ///
    /// # Errors
    /// Fails if it cannot be read, if others can read it, or if it is invalid.
    pub fn load(file: &Path) -> Outcome<Self> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::usage(format!("{} cannot be read: {error}", file.display()))),
        };
        let mode = fs::metadata(file)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let shown = file.display();
            let message = format!("{shown} contains keys and is accessible to other users (mode {mode:04o})");
            return Err(Failure::usage(message).with_advice(format!("chmod 600 {shown}")));
        }
        toml::from_str(&text).map_err(|error| {
            // The whole error would show the line, which may contain a key.
            Failure::usage(format!("{} is not a valid configuration: {}", file.display(), error.message()))
        })
    }

    /// Stores the file for its owner only.
    ///
    /// # Errors
    /// Fails if it cannot be written.
    pub fn store(&self, file: &Path) -> Outcome {
        let text = toml::to_string(self).map_err(|error| Failure::failed(error.to_string()))?;
        write_private(file, text.as_bytes())
    }

    /// Returns a profile.
    ///
    /// # Errors
    /// Fails if there is none with this name.
    pub fn profile_named(&self, name: &str, file: &Path) -> Outcome<&Profile> {
        self.profiles.get(name).ok_or_else(|| {
            let known: Vec<_> = self.profiles.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!("there is no profile {name:?} in {} (there are: {known})", file.display());
            Failure::usage(message).with_command(format!("config set --profile {name} --url URL"))
        })
    }
}

/// Writes a file atomically, for its owner only, and creates its folder.
///
/// # Errors
/// Fails if it cannot be written.
pub fn write_private(file: &Path, content: &[u8]) -> Outcome {
    let unwritable =
        |error: io::Error| Failure::failed(format!("{} cannot be written: {error}", file.display()));
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unwritable)?;
    // For the owner only.
    let mut unfinished = tempfile::Builder::new().prefix(".new-").tempfile_in(folder).map_err(unwritable)?;
    unfinished.write_all(content).map_err(unwritable)?;
    unfinished.persist(file).map_err(|error| unwritable(error.error))?;
    Ok(())
}
