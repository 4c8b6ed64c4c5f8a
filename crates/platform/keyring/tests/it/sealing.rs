//! Sealing, opening and rotating.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rdev_keyring::{Keyring, OVERHEAD, OpenError, RotationTally};

use crate::{key, keyring};

const SECRET: &[u8] = b"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const RECORD: &[u8] = b"webhook whk_1 secret";

#[test]
fn a_sealed_value_has_the_documented_format() {
    let keyring = Keyring::new(key(1));
    let sealed = keyring.seal(SECRET, RECORD).unwrap();
    assert_eq!(sealed.len(), SECRET.len() + OVERHEAD);
    assert_eq!(sealed[0], 1);
    let id: String = sealed[1..5].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(id, key(1).id().to_string());
}

#[test]
fn a_value_sealed_by_another_implementation_opens() {
    // Made with Python's `cryptography` and an HChaCha20 that passes the draft's own vector. It also stands
    // for all stored values: whatever changes here, this one must continue to open.
    let sealed = STANDARD
        .decode(concat!(
            "AZtj+CoAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcxm4XHaWBr7yIiCzpk",
            "GFOBB929UWL/KZJo0VlxcxMMlNpkkWjAkVYLbJZdvsCPhQtfGG4nSFQ=",
        ))
        .unwrap();
    let opened = Keyring::new(key(0x2A)).open(&sealed, RECORD).unwrap();
    assert_eq!(*opened, SECRET);
}

#[test]
fn sealing_twice_gives_different_bytes() {
    let keyring = Keyring::new(key(1));
    let (a, b) = (keyring.seal(SECRET, RECORD), keyring.seal(SECRET, RECORD));
    assert_ne!(a.unwrap(), b.unwrap());
}

#[test]
fn the_plaintext_does_not_show() {
    let sealed = Keyring::new(key(1)).seal(SECRET, RECORD).unwrap();
    assert!(!sealed.windows(8).any(|window| SECRET.windows(8).any(|part| part == window)));
}

#[test]
fn a_retired_key_still_opens() {
    let sealed = keyring(&[1]).seal(SECRET, RECORD).unwrap();
    assert_eq!(*keyring(&[2, 1]).open(&sealed, RECORD).unwrap(), SECRET);
    assert_eq!(*keyring(&[3, 2, 1]).open(&sealed, RECORD).unwrap(), SECRET);
}

#[test]
fn a_key_that_was_dropped_is_named() {
    let sealed = keyring(&[1]).seal(SECRET, RECORD).unwrap();
    assert_eq!(
        keyring(&[2]).open(&sealed, RECORD).err(),
        Some(OpenError::UnknownKey { key_id: key(1).id() })
    );
}

#[test]
fn a_value_of_an_old_key_needs_resealing() {
    let (before, during) = (keyring(&[1]), keyring(&[2, 1]));
    let sealed = before.seal(SECRET, RECORD).unwrap();
    assert!(!before.needs_reseal(&sealed));
    assert!(during.needs_reseal(&sealed));

    let opened = during.open(&sealed, RECORD).unwrap();
    let resealed = during.seal(&opened, RECORD).unwrap();
    assert!(!during.needs_reseal(&resealed));
    assert_eq!(Keyring::key_id_of(&resealed), Some(key(2).id()));
    assert_eq!(*keyring(&[2]).open(&resealed, RECORD).unwrap(), SECRET);
}

#[test]
fn another_key_under_the_same_id_is_tampering() {
    // An attacker does this to have a value opened with the other key.
    let mut sealed = keyring(&[1]).seal(SECRET, RECORD).unwrap();
    let other = keyring(&[2]).seal(SECRET, RECORD).unwrap();
    sealed[1..5].copy_from_slice(&other[1..5]);
    assert_eq!(keyring(&[2, 1]).open(&sealed, RECORD).err(), Some(OpenError::Tampered));
}

#[test]
fn other_bytes_are_malformed() {
    let keyring = Keyring::new(key(1));
    let sealed = keyring.seal(b"", RECORD).unwrap();
    assert_eq!(sealed.len(), OVERHEAD);

    let mut other_version = sealed.clone();
    other_version[0] = 2;
    for bytes in [&[] as &[u8], &[1], &sealed[..OVERHEAD - 1], &other_version] {
        assert_eq!(keyring.open(bytes, RECORD).err(), Some(OpenError::Malformed));
        assert_eq!(Keyring::key_id_of(bytes), None);
        assert!(keyring.needs_reseal(bytes));
    }
}

#[test]
fn a_clone_opens_what_the_original_sealed() {
    let keyring = keyring(&[2, 1]);
    let sealed = keyring.seal(SECRET, RECORD).unwrap();
    let clone = keyring.clone();
    drop(keyring);
    assert_eq!(*clone.open(&sealed, RECORD).unwrap(), SECRET);
}

#[test]
fn resealing_changes_only_values_of_a_retired_key() {
    let old = keyring(&[1]).seal(SECRET, RECORD).unwrap();
    let during = keyring(&[2, 1]);
    let new = during.reseal(&old, RECORD).unwrap().unwrap();
    assert_eq!(*keyring(&[2]).open(&new, RECORD).unwrap(), SECRET);
    assert_eq!(during.reseal(&new, RECORD).unwrap(), None);

    let mut tally = RotationTally::default();
    assert!(tally.reseal(&during, &old, RECORD).unwrap().is_some());
    assert_eq!(tally.reseal(&during, &new, RECORD).unwrap(), None);
    assert!(tally.is_complete());
    let strange = keyring(&[3]).seal(SECRET, RECORD).unwrap();
    for left in [&strange, &strange, &old[..20].to_vec()] {
        assert_eq!(tally.reseal(&during, left, RECORD).unwrap(), None);
    }
    assert_eq!(tally.reseal(&during, &old, b"another record").unwrap(), None);
    assert_eq!((tally.unknown.get(&key(3).id()), tally.unreadable), (Some(&2), 2));
    assert!(!tally.is_complete());
}
