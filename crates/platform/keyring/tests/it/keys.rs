//! The text of keys and lists of keys: parsing, errors, and redaction.

use rdev_keyring::{EncryptionKey, EncryptionKeyError, Keyring, KeyringError};
use secrecy::ExposeSecret;

use crate::{key, keyring, text};

fn fault(list: &str) -> KeyringError {
    list.parse::<Keyring>().unwrap_err()
}

#[test]
fn a_key_is_its_entropy_and_round_trips() {
    let text = "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY=";
    let key = EncryptionKey::generate(*b"0123456789abcdefghijklmnopqrstuv");
    assert_eq!(key.expose_base64().expose_secret(), text);
    assert_eq!(text.parse::<EncryptionKey>().unwrap().id(), key.id());
}

#[test]
fn keys_have_ids_of_their_own() {
    assert_eq!(key(1).id(), key(1).id());
    assert_ne!(key(1).id(), key(2).id());
    assert_eq!(key(1).id().to_string().len(), 8);
}

#[test]
fn other_texts_are_refused_with_a_reason() {
    let fault = |text: &str| text.parse::<EncryptionKey>().unwrap_err();
    for text in [
        "not base64",
        "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY",
        "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY=\n",
        "__________________________________________8=",
    ] {
        assert_eq!(fault(text), EncryptionKeyError::Base64, "{text:?}");
    }
    for text in ["", "AAAA", &"A".repeat(40), &"A".repeat(44), &"A".repeat(88)] {
        assert_eq!(fault(text), EncryptionKeyError::Length, "{text:?}");
    }
}

#[test]
fn the_first_of_a_list_is_the_primary() {
    assert_eq!(keyring(&[1, 2, 3]).primary_key_id(), key(1).id());
    assert_eq!(Keyring::new(key(2)).primary_key_id(), key(2).id());
}

#[test]
fn white_space_around_entries_is_tolerated() {
    let list = format!("  {} ,\n\t{}\r\n", text(1), text(2));
    let keyring: Keyring = list.parse().unwrap();
    assert_eq!(keyring.primary_key_id(), key(1).id());
    let sealed = Keyring::new(key(2)).seal(b"secret", b"record").unwrap();
    assert!(keyring.open(&sealed, b"record").is_ok());
}

#[test]
fn a_faulty_list_names_the_entry() {
    let (one, two) = (text(1), text(2));
    assert_eq!(fault(""), KeyringError::Empty);
    assert_eq!(fault(" \n"), KeyringError::Empty);
    assert_eq!(fault(","), KeyringError::EmptyEntry { position: 1 });
    assert_eq!(fault(&format!("{one},")), KeyringError::EmptyEntry { position: 2 });
    assert_eq!(fault(&format!("{one}, ,{two}")), KeyringError::EmptyEntry { position: 2 });
    assert_eq!(
        fault(&format!("{one},AAAA")),
        KeyringError::Key { position: 2, reason: EncryptionKeyError::Length }
    );
    assert_eq!(fault(&format!("{one},{two}, {one}")), KeyringError::Duplicate { position: 3, earlier: 1 });
}

#[test]
fn an_error_explains_the_defect_without_the_key() {
    let error = fault(&format!("{},topsecret!", text(1)));
    assert_eq!(
        error.to_string(),
        "entry 2 of the encryption keys is invalid: it must be 32 bytes in standard base64 \
         with padding; this is not base64"
    );
    assert!(!format!("{error:?}").contains("topsecret"));
}

#[test]
fn debug_shows_the_ids_and_nothing_of_the_keys() {
    let key = EncryptionKey::generate(*b"0123456789abcdefghijklmnopqrstuv");
    let id = key.id();
    assert_eq!(format!("{key:?}"), format!("EncryptionKey({id}, [redacted])"));

    let shown = format!("{key:#?} {:?} {:?}", Keyring::new(key.clone()), key.expose_base64());
    for hidden in ["MDEy", "0123456789", "48, 49, 50", "30313233", "0x30"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}
