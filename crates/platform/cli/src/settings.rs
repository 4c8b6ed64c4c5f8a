//! The settings of a connection, each with its source: flag, environment, profile, data dir, in this order.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::config_file::{self, Config, Profile};
pub use crate::failure::is_loopback;
use crate::{ConnectionArgs, Failure, Outcome, Program, files};

/// The URL of a server on this machine that has written none.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// The name of the state of a connection without a profile.
const NO_PROFILE: &str = "local";

/// A value and where it comes from.
#[derive(Debug, Clone)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub source: Source,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An option.
    Flag(&'static str),
    /// A variable of the environment.
    Environment(&'static str),
    /// A profile.
    Profile(String),
    /// The configuration file, outside of its profiles.
    ConfigFile(PathBuf),
    /// A file in the data dir of a server on this machine.
    DataDir(PathBuf),
    /// Nothing says otherwise.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Profile(name) => write!(f, "profile {name}"),
            Self::ConfigFile(file) => write!(f, "config file {}", file.display()),
            Self::DataDir(path) => write!(f, "data dir, {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The settings.
#[derive(Debug)]
pub struct Settings {
    /// The configuration file.
    pub config_file: PathBuf,
    /// The profile.
    pub profile: Option<Setting<String>>,
    /// The data dir of a server on this machine.
    pub data_dir: Setting<PathBuf>,
    /// The URL of the service.
    pub url: Setting<String>,
    /// The API key.
    pub api_key: Option<Setting<SecretString>>,
}

impl Settings {
    /// Finds the settings. `-` for the key reads standard input.
    ///
    /// # Errors
    /// Fails if a file cannot be read, or if the profile does not exist.
    pub fn find(program: &Program, args: &ConnectionArgs) -> Outcome<Self> {
        let config_file = config_file::path(program)?;
        let config = Config::load(&config_file)?;
        let profile = given(args.profile.as_ref(), "--profile", "RDEV_PROFILE").or_else(|| {
            let value = config.profile.clone()?;
            Some(Setting { value, source: Source::ConfigFile(config_file.clone()) })
        });
        let stored = match &profile {
            Some(name) => {
                Some((name.value.clone(), config.profile_named(&name.value, &config_file)?.clone()))
            }
            None => None,
        };
        let data_dir = args.data_dir.as_ref().map(|path| path.display().to_string());
        let data_dir = given(data_dir.as_ref(), "--data-dir", "RDEV_DATA_DIR")
            .unwrap_or_else(|| Setting { value: "./.rdev".to_owned(), source: Source::Default });
        let data_dir = Setting { value: PathBuf::from(data_dir.value), source: data_dir.source };
        let url = Self::url(args, stored.as_ref(), &data_dir.value);
        let api_key = Self::api_key(args, stored.as_ref(), &data_dir.value, &url)?;
        Ok(Self { config_file, profile, data_dir, url, api_key })
    }

    /// Returns the name under which the state of this connection is kept.
    #[must_use]
    pub fn state_name(&self) -> &str {
        self.profile.as_ref().map_or(NO_PROFILE, |profile| &profile.value)
    }

    fn url(args: &ConnectionArgs, profile: Option<&(String, Profile)>, data_dir: &Path) -> Setting<String> {
        let of_profile = || {
            let (name, profile) = profile?;
            Some(Setting { value: profile.url.clone()?, source: Source::Profile(name.clone()) })
        };
        let of_data_dir = || {
            let file = data_dir.join("api-url");
            let value = fs::read_to_string(&file).ok()?.trim().to_owned();
            Some(Setting { value, source: Source::DataDir(file) })
        };
        given(args.url.as_ref(), "--url", "RDEV_URL")
            .or_else(of_profile)
            .or_else(of_data_dir)
            .unwrap_or_else(|| Setting { value: DEFAULT_URL.to_owned(), source: Source::Default })
    }

    fn api_key(
        args: &ConnectionArgs,
        profile: Option<&(String, Profile)>,
        data_dir: &Path,
        url: &Setting<String>,
    ) -> Outcome<Option<Setting<SecretString>>> {
        if let Some(file) = &args.api_key_file {
            return Ok(Some(Setting { value: read_key(file)?, source: Source::Flag("--api-key-file") }));
        }
        if let Some(key) = variable("RDEV_API_KEY") {
            return Ok(Some(Setting { value: key.into(), source: Source::Environment("RDEV_API_KEY") }));
        }
        if let Some(file) = variable("RDEV_API_KEY_FILE") {
            let source = Source::Environment("RDEV_API_KEY_FILE");
            return Ok(Some(Setting { value: read_key(&file)?, source }));
        }
        if let Some((name, Profile { api_key: Some(key), .. })) = profile {
            let value = SecretString::from(key.as_str());
            return Ok(Some(Setting { value, source: Source::Profile(name.clone()) }));
        }
        // This key is of a server on this machine, and is sent to no other.
        let file = data_dir.join("api-key");
        if is_loopback(&url.value) && file.exists() {
            let value = read_key(&file.display().to_string())?;
            return Ok(Some(Setting { value, source: Source::DataDir(file) }));
        }
        Ok(None)
    }
}

/// Returns the value of a flag, else that of its variable.
fn given(flag: Option<&String>, name: &'static str, variable_name: &'static str) -> Option<Setting<String>> {
    let flag = flag.map(|value| Setting { value: value.clone(), source: Source::Flag(name) });
    flag.or_else(|| {
        let value = variable(variable_name)?;
        Some(Setting { value, source: Source::Environment(variable_name) })
    })
}

/// Returns a variable of the environment. An empty one counts as not set.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads a key from a file, or from standard input for `-`.
///
/// # Errors
/// Fails if the file cannot be read or is empty.
pub fn read_key(file: &str) -> Outcome<SecretString> {
    let text = SecretString::from(files::read(file)?);
    let key = text.expose_secret().trim();
    match key {
        "" => Err(Failure::usage(format!("{} contains no API key", files::shown(file)))),
        key => Ok(key.into()),
    }
}
