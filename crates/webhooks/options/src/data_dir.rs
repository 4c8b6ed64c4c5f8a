//! The data directory, with the embedded database and the generated keys.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rdev_process::options::{api_key, warn_if_exposed};
use rdev_webhooks::Ambient;
use rdev_webhooks::access::ApiKeySecret;
use rdev_webhooks::keyring::{EncryptionKey, Keyring};
use secrecy::{ExposeSecret, SecretString};

/// An existing data directory.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
}

/// A key of the data directory.
#[derive(Debug)]
pub struct StoredKey<T> {
    /// The key.
    pub key: T,
    /// Its file.
    pub file: PathBuf,
    /// Whether it was just generated.
    pub is_new: bool,
}

impl DataDir {
    /// Opens the directory, and creates it with access for the owner only if it does not exist.
    ///
    /// # Errors
    ///
    /// Says why the directory cannot be used.
    pub fn open(path: &Path) -> Result<Self, String> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| unusable(path, &error))?;
        Self::existing(path)
    }

    /// Opens the directory.
    ///
    /// # Errors
    ///
    /// Fails if it does not exist.
    pub fn existing(path: &Path) -> Result<Self, String> {
        let path = path.canonicalize().map_err(|error| unusable(path, &error))?;
        Ok(Self { path })
    }

    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the embedded database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join("rdev.db")
    }

    /// Writes the server's URL for the client commands, which find it there.
    ///
    /// # Errors
    ///
    /// Fails if the directory cannot be written.
    pub fn announce(&self, url: &str) -> io::Result<()> {
        fs::write(self.path.join("api-url"), format!("{url}\n"))
    }

    /// Returns the administrator key; generates it at the first time.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the file.
    pub fn api_key(&self, ambient: &Ambient) -> Result<StoredKey<SecretString>, String> {
        self.key("api-key", api_key, || Ok(ApiKeySecret::generate(ambient.entropy.bytes()).expose().clone()))
    }

    /// Returns the encryption key; generates it at the first time. It is not generated for a database that
    /// was already served, because that was encrypted with another key.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the file.
    pub fn encryption_key(
        &self,
        ambient: &Ambient,
        database: Option<&Path>,
    ) -> Result<StoredKey<Keyring>, String> {
        let parse = |text: &str| text.parse::<Keyring>().map_err(|error| error.to_string());
        self.key("encryption-key", parse, || match database.filter(|path| was_served(path)) {
            Some(database) => Err(format!(
                "{} is missing, but {} was encrypted with it: put it back, or set --encryption-key",
                self.path.join("encryption-key").display(),
                database.display()
            )),
            None => Ok(EncryptionKey::generate(ambient.entropy.bytes()).expose_base64()),
        })
    }

    fn key<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
        make: impl FnOnce() -> Result<SecretString, String>,
    ) -> Result<StoredKey<T>, String> {
        let file = self.path.join(name);
        let (text, is_new) = match fs::read_to_string(&file) {
            Ok(text) => {
                warn_if_exposed(&file);
                (SecretString::from(text), false)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let made = make()?;
                self.write(name, made)
                    .map_err(|error| format!("{} cannot be written: {error}", file.display()))?
            }
            Err(error) => return Err(format!("{} cannot be read: {error}", file.display())),
        };
        let key = parse(text.expose_secret().trim())
            .map_err(|error| format!("{} does not contain a valid key: {error}", file.display()))?;
        Ok(StoredKey { key, file, is_new })
    }

    /// Writes a key's file atomically, for the owner only. If another process was faster, its key is used.
    /// Returns the key in the file, and whether it is this one.
    fn write(&self, name: &str, text: SecretString) -> io::Result<(SecretString, bool)> {
        let file = self.path.join(name);
        // Also for the owner only, and deleted when this returns.
        let mut unfinished = tempfile::Builder::new().prefix(name).suffix(".new").tempfile_in(&self.path)?;
        writeln!(unfinished, "{}", text.expose_secret())?;
        unfinished.as_file().sync_all()?;
        let written = match fs::hard_link(unfinished.path(), &file) {
            Ok(()) => (text, true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                (fs::read_to_string(&file)?.into(), false)
            }
            Err(error) => return Err(error),
        };
        fs::File::open(&self.path)?.sync_all()?;
        Ok(written)
    }
}

/// Returns whether a database may contain encrypted values. One that was only migrated contains none yet.
fn was_served(database: &Path) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let is_unsealed = runtime.is_ok_and(|runtime| {
        runtime.block_on(rdev_webhooks::is_unsealed(database)).is_ok_and(|unsealed| unsealed)
    });
    database.exists() && !is_unsealed
}

fn unusable(path: &Path, error: &io::Error) -> String {
    format!("cannot use the data dir {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_generated_once_and_only_for_the_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let data_dir = DataDir::open(&path).unwrap();
        let first = data_dir.api_key(&Ambient::system()).unwrap();
        let second = DataDir::open(&path).unwrap().api_key(&Ambient::system()).unwrap();
        assert!(first.is_new && !second.is_new);
        assert_eq!(first.key.expose_secret(), second.key.expose_secret());
        assert_eq!(ApiKeySecret::check(first.key.expose_secret().as_bytes()), Ok(()));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&first.file)), (0o700, 0o600));
    }

    #[test]
    fn no_encryption_key_is_generated_for_a_served_database() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(folder.path()).unwrap();
        let database = data_dir.database();
        fs::write(&database, "").unwrap();
        let message = data_dir.encryption_key(&Ambient::system(), Some(&database)).err().unwrap();
        assert!(message.contains("put it back"), "{message}");
        assert!(!folder.path().join("encryption-key").exists());
    }

    #[test]
    fn concurrent_first_starts_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(folder.path()).unwrap();
        let read = |text: &str| Ok(text.to_owned());
        // Another process writes its key between this process's check and its write.
        let outer = data_dir.key("api-key", read, || {
            let inner = data_dir.key("api-key", read, || Ok("first".into())).unwrap();
            assert!(inner.is_new && inner.key == "first");
            Ok("second".into())
        });
        let outer = outer.unwrap();
        assert!(!outer.is_new && outer.key == "first");
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["api-key"]);
    }

    #[test]
    fn a_file_without_a_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("api-key"), "short").unwrap();
        let message = DataDir::open(folder.path()).unwrap().api_key(&Ambient::system()).err().unwrap();
        assert!(message.contains("api-key does not contain a valid key"), "{message}");
    }
}
