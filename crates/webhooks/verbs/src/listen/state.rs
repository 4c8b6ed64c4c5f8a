//! What `listen` keeps between its runs: the signing secret, and how far it has come.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rdev_webhooks::Ambient;
use rdev_webhooks::domain::EventPattern;
use rdev_webhooks::signing::{SigningScheme, SigningSecret};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use rdev_cli::config_file::{state_dir, write_private};
use rdev_cli::settings::Source;
use rdev_cli::{Failure, Outcome, Session};

/// How often progress without an event is stored.
const SELDOM: Duration = Duration::from_secs(1);

/// How far it has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The place in the feed after the last event that was dealt with.
    pub(crate) cursor: Option<String>,
    /// The event after it, if its forwarding had begun and may not have ended.
    pub(crate) forwarding: Option<String>,
}

/// The stored progress of one profile with one selection of events.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) progress: Progress,
    file: PathBuf,
    stored_at: Option<Instant>,
}

impl State {
    pub(crate) fn load(session: &Session, events: &[EventPattern], projects: &[String]) -> Outcome<Self> {
        let settings = &session.settings;
        let events: Vec<_> = events.iter().map(EventPattern::as_str).collect();
        let mut parts = vec![settings.url.value.clone(), events.join(","), projects.join(",")];
        if let Some(key) = settings.api_key.as_ref().filter(|key| matches!(key.source, Source::DataDir(_))) {
            // Another data dir is another database, although it has the same URL.
            parts.push(key.value.expose_secret().chars().take(12).collect());
        }
        let file = folder(session)?.join(format!("{:016x}.json", fingerprint(&parts)));
        let progress = match std::fs::read(&file) {
            // A file that is not understood is as good as none.
            Ok(text) => serde_json::from_slice(&text).unwrap_or_default(),
            Err(_) => Progress::default(),
        };
        Ok(Self { progress, file, stored_at: None })
    }

    /// Stores progress.
    pub(crate) fn store(&mut self, progress: Progress) -> Outcome {
        self.progress = progress;
        self.write()
    }

    /// Stores progress that concerns no event, now and then.
    pub(crate) fn store_seldom(&mut self) -> Outcome {
        if self.stored_at.is_some_and(|at| at.elapsed() < SELDOM) {
            return Ok(());
        }
        self.write()
    }

    fn write(&mut self) -> Outcome {
        let text = serde_json::to_vec(&self.progress).map_err(|error| Failure::failed(error.to_string()))?;
        self.stored_at = Some(Instant::now());
        write_private(&self.file, &text)
    }
}

/// Returns the signing secret of a profile; generates it at the first time.
pub(crate) fn secret(session: &Session, ambient: &Ambient) -> Outcome<SigningSecret> {
    let file = folder(session)?.join("secret");
    if let Some(secret) = stored_secret(&file)? {
        return Ok(secret);
    }
    let secret = SigningSecret::generate(SigningScheme::HmacSha256, ambient.entropy.bytes());
    write_private(&file, secret.expose().expose_secret().as_bytes())?;
    // Of two first runs at once, both use the file's.
    Ok(stored_secret(&file)?.unwrap_or(secret))
}

fn stored_secret(file: &Path) -> Outcome<Option<SigningSecret>> {
    match std::fs::read_to_string(file) {
        Ok(text) => match text.trim().parse() {
            Ok(secret) => Ok(Some(secret)),
            Err(error) => Err(Failure::usage(format!("{} is not a signing secret: {error}", file.display()))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::usage(format!("{} cannot be read: {error}", file.display()))),
    }
}

/// Returns the folder of a profile. Names of profiles are the users' own.
fn folder(session: &Session) -> Outcome<PathBuf> {
    let profile = session.settings.state_name();
    let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
    let name = match profile.chars().all(is_plain) && !profile.is_empty() {
        true => profile.to_owned(),
        false => format!("{:016x}", fingerprint(&[profile.to_owned()])),
    };
    Ok(state_dir(session.program())?.join("listen").join(name))
}

/// Returns the FNV-1a hash, which is the same in every version of this program.
fn fingerprint(parts: &[String]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
