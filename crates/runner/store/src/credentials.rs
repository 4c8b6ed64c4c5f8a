//! Credentials: what is stored of them, what a change writes, and what a run gets.

use std::collections::BTreeSet;

use rdev_keyring::{Keyring, SealedColumn};
use rdev_runner_domain::ports::{CredentialGrant, StoreError};
use rdev_runner_domain::{
    Access, Credential, CredentialDraft, CredentialKind, CredentialValue, CredentialVersion,
    GrantedCredential, MAX_CREDENTIAL_VERSIONS, ProjectName, ProjectNameError, RepositoryName,
    RepositoryNameError, SecretName, SecretNameError, Timestamp, sees_credential,
};
use secrecy::ExposeSecret;

use crate::error::{corrupt, internal};

/// The column with the encrypted values. A value is bound to the name and the number of its version.
pub const VALUES: SealedColumn = SealedColumn::new("credential_versions", "value");

const CREDENTIALS: &str = "credentials";

/// A credential as it is stored.
#[derive(Debug, Clone)]
pub struct StoredCredential {
    /// The name.
    pub name: SecretName,
    /// The projects that may use it; `None` for all.
    pub projects: Option<BTreeSet<ProjectName>>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When a run last got it.
    pub last_used_at: Option<Timestamp>,
    /// The versions, in any order.
    pub versions: Vec<StoredVersion>,
}

/// A version as it is stored.
#[derive(Debug, Clone)]
pub struct StoredVersion {
    /// The number.
    pub number: i64,
    /// The kind.
    pub kind: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// The encrypted value, if it was read.
    pub value: Vec<u8>,
}

/// What a change writes.
#[derive(Debug)]
pub enum PutPlan {
    /// These changes.
    Write {
        /// The ends of present versions that change, by their numbers.
        ends: Vec<(i64, Option<Timestamp>)>,
        /// A new version.
        added: Option<StoredVersion>,
        /// The versions that are deleted.
        deleted: Vec<i64>,
        /// The credential afterwards.
        credential: Box<Credential>,
    },
    /// Nothing: there is no value for a new version.
    ValueRequired,
    /// Nothing: the caller cannot see the credential.
    NotFound,
}

/// Returns the id to which the value of a version is bound.
#[must_use]
pub fn sealed_id(name: &str, number: i64) -> String {
    format!("{name} {number}")
}

/// Returns a name that is stored.
///
/// # Errors
///
/// Fails if it is not valid.
pub fn name(text: &str) -> Result<SecretName, StoreError> {
    text.parse().map_err(|error: SecretNameError| corrupt(CREDENTIALS, "name", &text, error))
}

/// Returns the projects that are stored for a credential.
///
/// # Errors
///
/// Fails if one is not valid.
pub fn projects(
    name: &SecretName,
    stored: Option<Vec<String>>,
) -> Result<Option<BTreeSet<ProjectName>>, StoreError> {
    let parse = |text: String| {
        text.parse().map_err(|error: ProjectNameError| corrupt(CREDENTIALS, "projects", name, error))
    };
    stored.map(|names| names.into_iter().map(parse).collect()).transpose()
}

/// Returns the project of a recorded use.
///
/// # Errors
///
/// Fails if it is not valid.
pub fn repository(name: &SecretName, text: Option<&str>) -> Result<Option<RepositoryName>, StoreError> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|error: RepositoryNameError| corrupt("credential_uses", "repository", name, error))
}

/// Returns the project of a use.
///
/// # Errors
///
/// Fails if the name is not valid.
pub fn project(name: &SecretName, text: &str) -> Result<ProjectName, StoreError> {
    text.parse().map_err(|error: ProjectNameError| corrupt("credential_uses", "project", name, error))
}

/// Returns the versions without their values from a list in JSON: of each the number, the kind, and when it was created
/// and ends, in microseconds.
///
/// # Errors
///
/// Fails if the list cannot be read.
pub fn versions(name: &SecretName, json: &str) -> Result<Vec<StoredVersion>, StoreError> {
    let rows: Vec<(i64, String, i64, Option<i64>)> =
        serde_json::from_str(json).map_err(|error| corrupt(VALUES.table, "number", name, error))?;
    let version = |(number, kind, created_at, expires_at): (i64, String, i64, Option<i64>)| StoredVersion {
        number,
        kind,
        created_at: Timestamp::from_micros(created_at),
        expires_at: expires_at.map(Timestamp::from_micros),
        value: Vec::new(),
    };
    Ok(rows.into_iter().map(version).collect())
}

/// Returns the error for a column of a credential that cannot be read.
pub fn corrupt_column(
    column: &'static str,
    name: &SecretName,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    corrupt(CREDENTIALS, column, name, error)
}

impl StoredCredential {
    /// Returns the credential without its values, as of `now`.
    ///
    /// # Errors
    ///
    /// Fails if a value cannot be read.
    pub fn read(&self, now: Timestamp) -> Result<Credential, StoreError> {
        let kept = self.kept(now);
        let newest =
            kept.first().ok_or_else(|| corrupt(CREDENTIALS, "name", &self.name, "has no version"))?;
        Ok(Credential {
            name: self.name.clone(),
            kind: newest.kind(&self.name)?,
            projects: self.projects.clone(),
            versions: kept.iter().map(|version| version.read()).collect(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            last_used_at: self.last_used_at,
        })
    }

    /// Decides what a change of the credential writes. `is_new` says whether it was created for the change, and
    /// `last_number` is the highest number that a version or a use of its name has had.
    ///
    /// # Errors
    ///
    /// Fails if a value cannot be encrypted or decrypted.
    pub fn plan(
        mut self,
        keyring: &Keyring,
        access: &Access,
        draft: &CredentialDraft,
        (is_new, last_number): (bool, i64),
        now: Timestamp,
    ) -> Result<PutPlan, StoreError> {
        if !is_new && !sees_credential(access, self.projects.as_ref()) {
            return Ok(PutPlan::NotFound);
        }
        self.versions.sort_by_key(|version| std::cmp::Reverse(version.number));
        let end = self.versions.first().map(|current| current.expires_at);
        let (mut ends, mut added) = (Vec::new(), None);
        let is_current = match (self.versions.first(), &draft.value) {
            (None, None) => return Ok(PutPlan::ValueRequired),
            (None, Some(_)) => false,
            (Some(_), None) => true,
            (Some(current), Some(value)) => current.is(keyring, &self.name, value),
        };
        if let (true, Some(current)) = (is_current, self.versions.first_mut()) {
            current.expires_at = draft.expires_at.unwrap_or(current.expires_at);
            ends.push((current.number, current.expires_at));
        } else if let Some(value) = &draft.value {
            if let Some(current) = self.versions.first_mut() {
                let until = now + draft.overlap;
                current.expires_at = Some(current.expires_at.map_or(until, |end| end.min(until)));
                ends.push((current.number, current.expires_at));
            }
            let number = last_number + 1;
            let text = value.text().expose_secret().as_bytes();
            let sealed = VALUES.seal(keyring, &sealed_id(self.name.as_str(), number), text);
            let version = StoredVersion {
                number,
                kind: value.kind().as_str().to_owned(),
                created_at: now,
                expires_at: draft.expires_at.flatten(),
                value: sealed.map_err(internal)?,
            };
            self.versions.insert(0, version.clone());
            added = Some(version);
        }
        let is_same = added.is_none()
            && self.versions.first().map(|current| current.expires_at) == end
            && draft.projects.as_ref().is_none_or(|projects| *projects == self.projects);
        if !is_same {
            self.updated_at = now;
        }
        if let Some(projects) = &draft.projects {
            self.projects.clone_from(projects);
        }
        let mut kept: BTreeSet<_> = self.kept(now).iter().map(|version| version.number).collect();
        while kept.len() > MAX_CREDENTIAL_VERSIONS {
            kept.pop_first();
        }
        let (stay, go) = self.versions.into_iter().partition(|version| kept.contains(&version.number));
        self.versions = stay;
        let deleted = Vec::from_iter(go).iter().map(|version: &StoredVersion| version.number).collect();
        Ok(PutPlan::Write { ends, added, deleted, credential: Box::new(self.read(now)?) })
    }

    /// Decides what a run on the project gets; `used` is the version that its command got before.
    ///
    /// # Errors
    ///
    /// Fails if a value cannot be decrypted.
    pub fn grant(
        &self,
        keyring: &Keyring,
        project: &ProjectName,
        used: Option<i64>,
        now: Timestamp,
    ) -> Result<CredentialGrant, StoreError> {
        let kept = self.kept(now);
        let granted = match used {
            Some(used) => kept.iter().find(|version| version.number == used),
            None if self.projects.as_ref().is_some_and(|projects| !projects.contains(project)) => {
                return Ok(CredentialGrant::OtherProject);
            }
            None => kept.first(),
        };
        let Some(granted) = granted else { return Ok(CredentialGrant::Gone) };
        if used.is_none() && granted.expires_at.is_some_and(|end| end <= now) {
            return Ok(CredentialGrant::Expired);
        }
        let others = kept.iter().filter(|version| version.number != granted.number);
        Ok(CredentialGrant::Granted(GrantedCredential {
            version: unsigned(&self.name, granted.number)?,
            value: granted.open(keyring, &self.name)?,
            others: others.map(|version| version.open(keyring, &self.name)).collect::<Result<_, _>>()?,
        }))
    }

    /// Returns the versions that are kept, the newest first: the newest one, and those that have not ended.
    fn kept(&self, now: Timestamp) -> Vec<&StoredVersion> {
        let mut versions: Vec<_> = self.versions.iter().collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.number));
        let newest = versions.first().map(|version| version.number);
        let is_kept = |version: &&StoredVersion| {
            Some(version.number) == newest || version.expires_at.is_none_or(|end| end > now)
        };
        versions.retain(is_kept);
        versions
    }
}

impl StoredVersion {
    fn read(&self) -> CredentialVersion {
        // A number that a store gives is positive.
        let number = u64::try_from(self.number).unwrap_or_default();
        CredentialVersion { number, created_at: self.created_at, expires_at: self.expires_at }
    }

    fn kind(&self, name: &SecretName) -> Result<CredentialKind, StoreError> {
        let unknown = || self.corrupt("kind", name, format!("is unknown: {:?}", self.kind));
        CredentialKind::parse(&self.kind).ok_or_else(unknown)
    }

    /// Returns whether the version has this value. One that cannot be read has not.
    fn is(&self, keyring: &Keyring, name: &SecretName, value: &CredentialValue) -> bool {
        let own = self.open(keyring, name);
        own.is_ok_and(|own| {
            own.kind() == value.kind() && own.text().expose_secret() == value.text().expose_secret()
        })
    }

    fn open(&self, keyring: &Keyring, name: &SecretName) -> Result<CredentialValue, StoreError> {
        let opened = VALUES.open(keyring, &sealed_id(name.as_str(), self.number), &self.value);
        let opened = opened.map_err(|error| self.corrupt(VALUES.column, name, error))?;
        // The error says only where the text stops being UTF-8.
        let text = std::str::from_utf8(&opened).map_err(|error| self.corrupt(VALUES.column, name, error))?;
        CredentialValue::new(self.kind(name)?, text.into())
            .map_err(|error| self.corrupt(VALUES.column, name, error))
    }

    fn corrupt(
        &self,
        column: &'static str,
        name: &SecretName,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> StoreError {
        corrupt(VALUES.table, column, &sealed_id(name.as_str(), self.number), error)
    }
}

/// Returns the number of a version.
///
/// # Errors
///
/// Fails if it is negative.
pub fn unsigned(name: &SecretName, number: i64) -> Result<u64, StoreError> {
    number.try_into().map_err(|error: std::num::TryFromIntError| {
        corrupt(VALUES.table, "number", &sealed_id(name.as_str(), number), error)
    })
}
