//! The schema of a store's database.

use std::fmt;

/// A migration of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The version: the time of its creation as `YYYYMMDDhhmmss`. Migrations are applied in this order.
    pub version: i64,
    /// The version and a word, `20261128150000_webhooks`: a unique name, also of a file.
    pub name: String,
    /// The SHA-384 of the statements as the project keeps them, in hexadecimal.
    pub checksum: String,
    /// The statements, which belong in one transaction. They name all objects in full, and record themselves as
    /// applied.
    pub sql: String,
}

/// The schema of a database, compared with this program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaState {
    /// They are the same.
    Current,
    /// The database was never migrated.
    Missing {
        /// This program's version.
        known: i64,
    },
    /// The database lacks some migrations.
    Older {
        /// The database's version.
        found: i64,
        /// This program's version.
        known: i64,
    },
    /// The database was migrated by a newer program.
    Newer {
        /// The database's version.
        found: i64,
        /// This program's version.
        known: i64,
    },
    /// A migration of the database is not the one of this program.
    Changed {
        /// The migration.
        version: i64,
    },
}

impl Migration {
    /// Creates a migration. `record` returns the statements, given the checksum in hexadecimal.
    pub fn new(
        version: i64,
        description: &str,
        checksum: &[u8],
        record: impl FnOnce(&str) -> String,
    ) -> Self {
        let checksum: String = checksum.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("{version}_{}", description.replace(' ', "_"));
        Self { version, name, sql: record(&checksum), checksum }
    }
}

impl SchemaState {
    /// Compares the versions and checksums of a database's migrations with those of this program.
    #[must_use]
    pub fn compare(found: &[(i64, String)], known: &[Migration]) -> Self {
        let newest = known.iter().map(|one| one.version).max().unwrap_or(0);
        let Some(last) = found.iter().map(|(version, _)| *version).max() else {
            return Self::Missing { known: newest };
        };
        if last > newest {
            return Self::Newer { found: last, known: newest };
        }
        let mut is_unknown = None;
        for (version, checksum) in found {
            match known.iter().find(|one| one.version == *version) {
                Some(one) if one.checksum == *checksum => {}
                Some(_) => return Self::Changed { version: *version },
                None => is_unknown = Some(*version),
            }
        }
        if !known.iter().all(|one| found.iter().any(|(version, _)| *version == one.version)) {
            return Self::Older { found: last, known: newest };
        }
        is_unknown.map_or(Self::Current, |version| Self::Changed { version })
    }
}

impl fmt::Display for SchemaState {
    /// Says how to resolve the difference.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIGRATE: &str =
            "run `rdev-webhooks migrate --database-url …`, or call `migrate` of the library";
        match self {
            Self::Current => f.write_str("the database's schema is current"),
            Self::Missing { known } => write!(
                f,
                "the database has no rdev webhooks schema yet, but this program requires version {known}: {MIGRATE}"
            ),
            Self::Older { found, known } if found == known => {
                write!(f, "the database lacks a migration before version {known}: {MIGRATE}")
            }
            Self::Older { found, known } => write!(
                f,
                "the database's schema has version {found}, but this program requires version {known}: {MIGRATE} of this program's release"
            ),
            Self::Newer { found, known } => write!(
                f,
                "the database's schema has version {found}, but this program supports version {known}: a newer release has migrated it (`rdev-webhooks migrate --database-url …`); run that release here too"
            ),
            Self::Changed { version } => write!(
                f,
                "the database's migration {version} is not the one of this program: an unreleased build has migrated the database, or its record of migrations was edited"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_compared_by_versions_and_checksums() {
        let known = [(1, b"a"), (3, b"b")];
        let known = known.map(|(version, sum)| Migration::new(version, "", sum, str::to_owned));
        let applied = |all: &[(i64, &str)]| {
            let all: Vec<_> = all
                .iter()
                .map(|(version, sum)| {
                    (*version, Migration::new(0, "", sum.as_bytes(), str::to_owned).checksum)
                })
                .collect();
            SchemaState::compare(&all, &known)
        };
        assert_eq!(applied(&[]), SchemaState::Missing { known: 3 });
        assert_eq!(applied(&[(1, "a"), (3, "b")]), SchemaState::Current);
        assert_eq!(applied(&[(1, "a")]), SchemaState::Older { found: 1, known: 3 });
        assert_eq!(applied(&[(3, "b")]), SchemaState::Older { found: 3, known: 3 });
        assert_eq!(applied(&[(1, "a"), (3, "b"), (4, "c")]), SchemaState::Newer { found: 4, known: 3 });
        assert_eq!(applied(&[(1, "a"), (3, "c")]), SchemaState::Changed { version: 3 });
        assert_eq!(applied(&[(1, "a"), (2, "c"), (3, "b")]), SchemaState::Changed { version: 2 });
    }
}
