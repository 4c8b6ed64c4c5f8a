//! The settings of a connection, each with its source: flag, environment, profile, data dir, in this order.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use http::Uri;
use secrecy::{ExposeSecret, SecretString};

use super::config::{self, Config, Profile};
use super::{ConnectionArgs, Failure, Outcome, files};

/// The URL of a server on this machine that has written none.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// The name of the state of a connection without a profile.
const NO_PROFILE: &str = "local";

/// A value and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) source: Source,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Flag(&'static str),
    Environment(&'static str),
    Profile(String),
    ConfigFile(PathBuf),
    DataDir(PathBuf),
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
pub(crate) struct Settings {
    pub(crate) config_file: PathBuf,
    pub(crate) profile: Option<Setting<String>>,
    pub(crate) data_dir: Setting<PathBuf>,
    pub(crate) url: Setting<String>,
    pub(crate) api_key: Option<Setting<SecretString>>,
}

impl Settings {
    /// Finds the settings. `-` for the key reads standard input.
    pub(crate) fn find(args: &ConnectionArgs) -> Outcome<Self> {
        let config_file = config::path()?;
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
    pub(crate) fn state_name(&self) -> &str {
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
pub(crate) fn read_key(file: &str) -> Outcome<SecretString> {
    let text = SecretString::from(files::read(file)?);
    let key = text.expose_secret().trim();
    match key {
        "" => Err(Failure::usage(format!("{} contains no API key", files::shown(file)))),
        key => Ok(key.into()),
    }
}

/// Returns whether a URL is of this machine.
pub(crate) fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_this_machine_are_loopback() {
        for url in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1/x", "https://127.9.9.9"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["http://10.0.0.1", "http://localhost.example.com", "https://example.com", ""] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
