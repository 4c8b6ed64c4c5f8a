//! Properties of every input.

use proptest::prelude::*;
use proptest::sample::Index;
use rdev_webhooks_signing::{
    Headers, PublicKey, SigningScheme, SigningSecret, VerificationKey, Verifier, VerifyError,
};

fn secrets() -> impl Strategy<Value = SigningSecret> {
    (prop::sample::select(&SigningScheme::ALL), any::<[u8; 32]>())
        .prop_map(|(scheme, entropy)| SigningSecret::generate(scheme, entropy))
}

fn ids() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_-]{1,40}"
}

fn timestamps() -> impl Strategy<Value = i64> {
    0..=i64::MAX
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..300)
}

/// Generates a mask that changes the byte to which it is applied.
fn flips() -> impl Strategy<Value = u8> {
    1..=u8::MAX
}

fn verify(
    secret: &SigningSecret,
    (id, timestamp, signature): (&str, &str, &str),
    body: &[u8],
    now: i64,
) -> Result<(), VerifyError> {
    let headers = Headers { id: Some(id), timestamp: Some(timestamp), signature: Some(signature) };
    Verifier::new(secret).verify(headers, body, now)
}

/// Returns the text with one byte changed; `None` if the result is not text and so not a header value.
fn flipped(text: &str, at: Index, flip: u8) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let at = at.index(bytes.len());
    bytes[at] ^= flip;
    String::from_utf8(bytes).ok()
}

proptest! {
    #[test]
    fn a_signed_webhook_verifies(
        secret in secrets(), id in ids(), timestamp in timestamps(), body in bodies(),
    ) {
        let signature = secret.sign(&id, timestamp, &body).to_string();
        let headers = (id.as_str(), &*timestamp.to_string(), signature.as_str());
        prop_assert_eq!(verify(&secret, headers, &body, timestamp), Ok(()));
    }

    #[test]
    fn a_flipped_byte_of_the_body_fails(
        secret in secrets(),
        id in ids(),
        timestamp in timestamps(),
        mut body in prop::collection::vec(any::<u8>(), 1..300),
        at in any::<Index>(),
        flip in flips(),
    ) {
        let signature = secret.sign(&id, timestamp, &body).to_string();
        let at = at.index(body.len());
        body[at] ^= flip;
        let headers = (id.as_str(), &*timestamp.to_string(), signature.as_str());
        prop_assert!(verify(&secret, headers, &body, timestamp).is_err());
    }

    #[test]
    fn a_flipped_byte_of_the_id_fails(
        secret in secrets(),
        id in ids(),
        timestamp in timestamps(),
        body in bodies(),
        at in any::<Index>(),
        flip in flips(),
    ) {
        let signature = secret.sign(&id, timestamp, &body).to_string();
        if let Some(other) = flipped(&id, at, flip) {
            let headers = (other.as_str(), &*timestamp.to_string(), signature.as_str());
            prop_assert!(verify(&secret, headers, &body, timestamp).is_err());
        }
    }

    #[test]
    fn a_flipped_byte_of_the_timestamp_fails(
        secret in secrets(),
        id in ids(),
        timestamp in timestamps(),
        body in bodies(),
        at in any::<Index>(),
        flip in flips(),
    ) {
        let signature = secret.sign(&id, timestamp, &body).to_string();
        if let Some(other) = flipped(&timestamp.to_string(), at, flip) {
            // The clock follows, so that the signature is what fails.
            let now = other.parse().unwrap_or(timestamp);
            let headers = (id.as_str(), other.as_str(), signature.as_str());
            prop_assert!(verify(&secret, headers, &body, now).is_err());
        }
    }

    #[test]
    fn a_flipped_byte_of_the_signature_fails(
        secret in secrets(),
        id in ids(),
        timestamp in timestamps(),
        body in bodies(),
        at in any::<Index>(),
        flip in flips(),
    ) {
        let signature = secret.sign(&id, timestamp, &body).to_string();
        if let Some(other) = flipped(&signature, at, flip) {
            let headers = (id.as_str(), &*timestamp.to_string(), other.as_str());
            prop_assert!(verify(&secret, headers, &body, timestamp).is_err());
        }
    }

    #[test]
    fn another_secret_does_not_verify(
        secret in secrets(), other in secrets(), id in ids(), body in bodies(),
    ) {
        prop_assume!(secret != other);
        let signature = secret.sign(&id, 0, &body).to_string();
        let headers = (id.as_str(), "0", signature.as_str());
        prop_assert_eq!(
            verify(&other, headers, &body, 0),
            Err(VerifyError::NoMatchingSignature)
        );
    }

    #[test]
    fn arbitrary_headers_never_verify(
        secret in secrets(),
        id in prop::option::of(any::<String>()),
        timestamp in prop::option::of(any::<String>()),
        signature in prop::option::of(any::<String>()),
        body in bodies(),
        now in any::<i64>(),
    ) {
        let headers = Headers {
            id: id.as_deref(),
            timestamp: timestamp.as_deref(),
            signature: signature.as_deref(),
        };
        prop_assert!(Verifier::new(&secret).verify(headers, &body, now).is_err());
    }

    #[test]
    fn headers_of_the_right_shape_never_verify_by_chance(
        secret in secrets(),
        id in ids(),
        timestamp in "[0-9]{1,22}",
        signature in "(v1a?,[A-Za-z0-9+/]{43}=|v1a,[A-Za-z0-9+/]{86}==|v[0-9],.{0,9}| ){0,40}",
        body in bodies(),
    ) {
        let now = timestamp.parse().unwrap_or_default();
        let headers = (id.as_str(), timestamp.as_str(), signature.as_str());
        prop_assert!(verify(&secret, headers, &body, now).is_err());
    }

    #[test]
    fn arbitrary_keys_never_panic(text in "(whsec_|whsk_|whpk_)?.{0,100}") {
        let _ = text.parse::<SigningSecret>();
        let _ = text.parse::<PublicKey>();
        let _ = text.parse::<VerificationKey>();
    }

    #[test]
    fn a_secret_and_a_public_key_round_trip(secret in secrets()) {
        use secrecy::ExposeSecret;

        let text = secret.expose();
        prop_assert_eq!(text.expose_secret().parse::<SigningSecret>(), Ok(secret.clone()));
        if let Some(public) = secret.public_key() {
            prop_assert_eq!(public.to_string().parse::<PublicKey>(), Ok(public));
        }
    }
}
