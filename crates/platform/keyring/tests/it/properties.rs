//! Properties of every input.

use proptest::prelude::*;
use proptest::sample::Index;
use rdev_keyring::{EncryptionKey, Keyring, OpenError};

use crate::keyring;

fn keyrings() -> impl Strategy<Value = Keyring> {
    any::<[u8; 32]>().prop_map(|entropy| Keyring::new(EncryptionKey::generate(entropy)))
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..200)
}

proptest! {
    #[test]
    fn a_sealed_value_opens(keyring in keyrings(), plaintext in bytes(), record in bytes()) {
        let sealed = keyring.seal(&plaintext, &record)?;
        let opened = keyring.open(&sealed, &record)?;
        prop_assert_eq!(&*opened, &plaintext);
    }

    #[test]
    fn other_associated_data_fails(
        keyring in keyrings(), plaintext in bytes(), record in bytes(), other in bytes(),
    ) {
        prop_assume!(record != other);
        let sealed = keyring.seal(&plaintext, &record)?;
        prop_assert_eq!(keyring.open(&sealed, &other), Err(OpenError::Tampered));
    }

    #[test]
    fn any_flipped_byte_fails(
        keyring in keyrings(),
        plaintext in bytes(),
        record in bytes(),
        at in any::<Index>(),
        flip in 1..=u8::MAX,
    ) {
        let mut sealed = keyring.seal(&plaintext, &record)?;
        let at = at.index(sealed.len());
        sealed[at] ^= flip;
        let error = keyring.open(&sealed, &record).err();
        let expected = match at {
            0 => OpenError::Malformed,
            1..5 => OpenError::UnknownKey { key_id: Keyring::key_id_of(&sealed).unwrap() },
            _ => OpenError::Tampered,
        };
        prop_assert_eq!(error, Some(expected));
    }

    #[test]
    fn truncated_input_fails(
        keyring in keyrings(), plaintext in bytes(), record in bytes(), at in any::<Index>(),
    ) {
        let sealed = keyring.seal(&plaintext, &record)?;
        let truncated = &sealed[..at.index(sealed.len())];
        prop_assert!(keyring.open(truncated, &record).is_err());
        let _ = keyring.needs_reseal(truncated);
    }

    #[test]
    fn arbitrary_input_never_panics_and_never_opens(
        keyring in keyrings(), mut sealed in bytes(), record in bytes(),
    ) {
        prop_assert!(keyring.open(&sealed, &record).is_err());
        // Of the right version and key, so that the cipher is reached.
        let real = keyring.seal(b"", b"")?;
        sealed.splice(..0, real[..5].iter().copied());
        prop_assert!(keyring.open(&sealed, &record).is_err());
        let _ = keyring.needs_reseal(&sealed);
    }

    #[test]
    fn each_key_of_a_list_opens_what_it_sealed(
        seeds in prop::collection::hash_set(any::<u8>(), 1..6), plaintext in bytes(),
    ) {
        let seeds: Vec<u8> = seeds.into_iter().collect();
        let all = keyring(&seeds);
        for (position, seed) in seeds.into_iter().enumerate() {
            let sealed = keyring(&[seed]).seal(&plaintext, b"record")?;
            prop_assert_eq!(&*all.open(&sealed, b"record")?, &plaintext);
            prop_assert_eq!(all.needs_reseal(&sealed), position > 0);
        }
    }

    #[test]
    fn arbitrary_lists_never_panic(list in "[A-Za-z0-9+/=, \n]{0,150}") {
        let _ = list.parse::<Keyring>();
    }
}
