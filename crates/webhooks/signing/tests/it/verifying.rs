//! Verification: every way in which a webhook can be wrong, and the accepted variations.

use std::time::Duration;

use rdev_webhooks_signing::{
    HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, Headers, MAX_SIGNATURES, SigningScheme, SigningSecret,
    Verifier, VerifyError, sign_all,
};

const ID: &str = "evt_1";
const NOW: i64 = 1_736_937_000;
const BODY: &[u8] = br#"{"event":"command.completed"}"#;

fn secret(scheme: SigningScheme, seed: u8) -> SigningSecret {
    SigningSecret::generate(scheme, [seed; 32])
}

fn symmetric() -> SigningSecret {
    secret(SigningScheme::HmacSha256, 1)
}

fn headers<'a>(timestamp: &'a str, signature: &'a str) -> Headers<'a> {
    Headers { id: Some(ID), timestamp: Some(timestamp), signature: Some(signature) }
}

fn verify_signature(verifier: &Verifier, signature: &str) -> Result<(), VerifyError> {
    verifier.verify(headers(&NOW.to_string(), signature), BODY, NOW)
}

fn verify_at(tolerance: Duration, signed_at: i64, now: i64) -> Result<(), VerifyError> {
    let signature = symmetric().sign(ID, signed_at, BODY).to_string();
    Verifier::new(symmetric()).with_tolerance(tolerance).verify(
        headers(&signed_at.to_string(), &signature),
        BODY,
        now,
    )
}

#[test]
fn a_missing_header_is_named() {
    let signature = symmetric().sign(ID, NOW, BODY).to_string();
    let timestamp = NOW.to_string();
    let whole = headers(&timestamp, &signature);
    for (name, headers) in [
        (HEADER_ID, Headers { id: None, ..whole }),
        (HEADER_TIMESTAMP, Headers { timestamp: None, ..whole }),
        (HEADER_SIGNATURE, Headers { signature: None, ..whole }),
    ] {
        let error = Verifier::new(symmetric()).verify(headers, BODY, NOW);
        assert_eq!(error, Err(VerifyError::MissingHeader { name }));
    }
}

#[test]
fn an_id_that_is_empty_or_holds_a_full_stop_is_malformed() {
    for id in ["", "evt.1", "."] {
        let signature = symmetric().sign(id, NOW, BODY).to_string();
        let timestamp = NOW.to_string();
        let headers = Headers { id: Some(id), ..headers(&timestamp, &signature) };
        let error = Verifier::new(symmetric()).verify(headers, BODY, NOW);
        assert_eq!(error, Err(VerifyError::MalformedHeader { name: HEADER_ID }));
    }
}

#[test]
fn one_signed_content_cannot_pass_as_another_webhook() {
    let inner = format!("{NOW}.inner");
    let signature = symmetric().sign(ID, NOW, inner.as_bytes()).to_string();
    let timestamp = NOW.to_string();
    let shifted = format!("{ID}.{NOW}");
    let headers = Headers { id: Some(&shifted), ..headers(&timestamp, &signature) };
    assert!(Verifier::new(symmetric()).verify(headers, b"inner", NOW).is_err());
}

#[test]
fn a_timestamp_is_decimal_digits_and_nothing_else() {
    let signature = symmetric().sign(ID, NOW, BODY).to_string();
    for timestamp in [
        "",
        " ",
        "+1736937000",
        "-1736937000",
        "1736937000 ",
        "1736937000.0",
        "1e9",
        "0x10",
        "١٧٣٦٩٣٧٠٠٠",
        "9223372036854775808",
        "99999999999999999999999999",
    ] {
        let error = Verifier::new(symmetric()).verify(headers(timestamp, &signature), BODY, NOW);
        let name = HEADER_TIMESTAMP;
        assert_eq!(error, Err(VerifyError::MalformedHeader { name }), "{timestamp:?}");
    }
}

#[test]
fn the_same_time_in_another_form_does_not_verify() {
    let signature = symmetric().sign(ID, NOW, BODY).to_string();
    let error = Verifier::new(symmetric()).verify(headers("01736937000", &signature), BODY, NOW);
    assert_eq!(error, Err(VerifyError::NoMatchingSignature));
}

#[test]
fn the_tolerance_holds_in_both_directions_and_includes_its_end() {
    let tolerance = Duration::from_secs(300);
    assert_eq!(verify_at(tolerance, NOW - 300, NOW), Ok(()));
    assert_eq!(verify_at(tolerance, NOW + 300, NOW), Ok(()));
    assert_eq!(verify_at(tolerance, NOW - 301, NOW), Err(VerifyError::TimestampTooOld));
    assert_eq!(verify_at(tolerance, NOW + 301, NOW), Err(VerifyError::TimestampTooNew));
    assert_eq!(verify_at(Duration::ZERO, NOW, NOW), Ok(()));
    assert_eq!(verify_at(Duration::ZERO, NOW - 1, NOW), Err(VerifyError::TimestampTooOld));
}

#[test]
fn the_default_tolerance_is_five_minutes() {
    let signature = symmetric().sign(ID, NOW, BODY).to_string();
    let timestamp = NOW.to_string();
    let verifier = Verifier::new(symmetric());
    let headers = headers(&timestamp, &signature);
    assert_eq!(verifier.verify(headers, BODY, NOW + 300), Ok(()));
    assert_eq!(verifier.verify(headers, BODY, NOW + 301), Err(VerifyError::TimestampTooOld));
}

#[test]
fn the_ends_of_time_do_not_overflow() {
    let tolerance = Duration::from_secs(300);
    assert_eq!(verify_at(tolerance, i64::MAX, i64::MIN), Err(VerifyError::TimestampTooNew));
    assert_eq!(verify_at(tolerance, 0, i64::MAX), Err(VerifyError::TimestampTooOld));
    assert_eq!(verify_at(tolerance, i64::MAX, i64::MAX), Ok(()));
    assert_eq!(verify_at(Duration::MAX, i64::MAX, i64::MIN), Ok(()));
}

#[test]
fn a_signature_header_without_any_entry_is_malformed() {
    for signature in ["", " ", "   ", "v1", "v1 v1a"] {
        let name = HEADER_SIGNATURE;
        assert_eq!(
            verify_signature(&Verifier::new(symmetric()), signature),
            Err(VerifyError::MalformedHeader { name }),
            "{signature:?}",
        );
    }
}

#[test]
fn unknown_versions_and_malformed_entries_are_skipped() {
    let good = symmetric().sign(ID, NOW, BODY).to_string();
    let verifier = Verifier::new(symmetric());
    for others in ["v2,AAAA", "v1,not-base64", "v1,AAAA", "v1", ",", "v1a,AAAA", "  "] {
        assert_eq!(verify_signature(&verifier, &format!("{others} {good}")), Ok(()));
        assert_eq!(verify_signature(&verifier, &format!("{good} {others}")), Ok(()));
    }
    let renamed = good.replacen("v1,", "v2,", 1);
    assert_eq!(verify_signature(&verifier, &renamed), Err(VerifyError::NoMatchingSignature));
}

#[test]
fn only_a_bounded_number_of_signatures_is_examined() {
    let verifier = Verifier::new(symmetric());
    let good = symmetric().sign(ID, NOW, BODY);
    let bad = symmetric().sign(ID, NOW, b"other");
    let after = |count| format!("{}{good}", format!("{bad} ").repeat(count));
    assert_eq!(verify_signature(&verifier, &after(MAX_SIGNATURES - 1)), Ok(()));
    assert_eq!(verify_signature(&verifier, &after(MAX_SIGNATURES)), Err(VerifyError::NoMatchingSignature));
}

#[test]
fn during_a_rotation_either_key_verifies() {
    for (old, new) in [
        (symmetric(), secret(SigningScheme::HmacSha256, 2)),
        (symmetric(), secret(SigningScheme::Ed25519, 2)),
        (secret(SigningScheme::Ed25519, 1), secret(SigningScheme::Ed25519, 2)),
    ] {
        let header = sign_all([&old, &new], ID, NOW, BODY);
        assert_eq!(verify_signature(&Verifier::new(&old), &header), Ok(()));
        assert_eq!(verify_signature(&Verifier::new(&new), &header), Ok(()));

        let both: Verifier = [&old, &new].into_iter().collect();
        for signer in [&old, &new] {
            let header = signer.sign(ID, NOW, BODY).to_string();
            assert_eq!(verify_signature(&both, &header), Ok(()));
        }

        let stranger = secret(old.scheme(), 9).sign(ID, NOW, BODY).to_string();
        assert_eq!(verify_signature(&both, &stranger), Err(VerifyError::NoMatchingSignature));
    }
}

#[test]
fn a_verifier_without_keys_verifies_nothing() {
    let verifier = Verifier::from_iter([] as [SigningSecret; 0]);
    let signature = symmetric().sign(ID, NOW, BODY).to_string();
    assert_eq!(verify_signature(&verifier, &signature), Err(VerifyError::NoMatchingSignature));
}

#[test]
fn a_public_key_is_not_a_symmetric_key() {
    // An HMAC with the public key must not pass where ed25519 is expected.
    let pair = secret(SigningScheme::Ed25519, 1);
    let public = pair.public_key().unwrap();
    let forged_key = public.to_string().replacen("whpk_", "whsec_", 1);
    let forger: SigningSecret = forged_key.parse().unwrap();
    let forged = forger.sign(ID, NOW, BODY).to_string();
    assert_eq!(verify_signature(&Verifier::new(public), &forged), Err(VerifyError::NoMatchingSignature));
}
