//! The text of secrets, its errors, and that secrets are never shown.

use rdev_webhooks_signing::{
    PublicKeyError, SecretError, SigningScheme, SigningSecret, VerificationKey, VerificationKeyError,
    Verifier, sign_all,
};
use secrecy::ExposeSecret;

const ENTROPY: [u8; 32] = *b"0123456789abcdefghijklmnopqrstuv";
const SYMMETRIC: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY=";

fn fault(text: &str) -> SecretError {
    text.parse::<SigningSecret>().unwrap_err()
}

#[test]
fn a_generated_secret_is_its_entropy() {
    let secret = SigningSecret::generate(SigningScheme::HmacSha256, ENTROPY);
    assert_eq!(secret.expose().expose_secret(), SYMMETRIC);
    assert_eq!(secret.public_key(), None);

    let secret = SigningSecret::generate(SigningScheme::Ed25519, ENTROPY);
    assert!(secret.expose().expose_secret().starts_with("whsk_MDEy"));
    assert!(secret.public_key().is_some());
}

#[test]
fn the_exposed_text_parses_to_an_equal_secret() {
    for scheme in SigningScheme::ALL {
        let secret = SigningSecret::generate(scheme, ENTROPY);
        let parsed: SigningSecret = secret.expose().expose_secret().parse().unwrap();
        assert_eq!(parsed, secret);
        assert_eq!(parsed.scheme(), scheme);
        assert_eq!(parsed.sign("a", 1, b"b"), secret.sign("a", 1, b"b"));
        assert_ne!(parsed, SigningSecret::generate(scheme, [0; 32]));
    }
    assert_ne!(
        SigningSecret::generate(SigningScheme::HmacSha256, ENTROPY),
        SigningSecret::generate(SigningScheme::Ed25519, ENTROPY),
    );
}

#[test]
fn the_shortest_and_the_longest_symmetric_key_are_accepted() {
    for text in ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(), format!("whsec_{}AA==", "A".repeat(84))]
    {
        let secret: SigningSecret = text.parse().unwrap();
        assert_eq!(secret.expose().expose_secret(), text);
    }
}

#[test]
fn each_defect_has_its_error() {
    assert_eq!(fault(""), SecretError::Prefix);
    assert_eq!(fault("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), SecretError::Prefix);
    assert_eq!(fault(" whsec_"), SecretError::Prefix);
    assert_eq!(fault("whpk_AAAA"), SecretError::PublicKey);
    assert_eq!(fault("whsec_not base64"), SecretError::Base64);
    assert_eq!(fault("whsk_not base64"), SecretError::Base64);
    assert_eq!(fault("whsec_"), SecretError::SymmetricLength);
    assert_eq!(fault("whsec_AAAA"), SecretError::SymmetricLength);
    let too_long = format!("whsec_{}", "A".repeat(88));
    assert_eq!(fault(&too_long), SecretError::SymmetricLength);
    assert_eq!(fault("whsk_AAAA"), SecretError::KeyPairLength);
    let too_long = format!("whsk_{}", "A".repeat(88));
    assert_eq!(fault(&too_long), SecretError::KeyPairLength);
    let mismatched = format!("whsk_{}AA==", "A".repeat(84));
    assert_eq!(fault(&mismatched), SecretError::KeyPairMismatch);
}

#[test]
fn a_verification_key_explains_what_is_wrong_with_its_text() {
    let fault = |text: &str| text.parse::<VerificationKey>().unwrap_err();
    assert_eq!(fault("secret"), VerificationKeyError::Prefix);
    assert_eq!(fault("whsec_AAAA"), VerificationKeyError::Secret(SecretError::SymmetricLength));
    assert_eq!(fault("whpk_AAAA"), VerificationKeyError::PublicKey(PublicKeyError::Length));
}

#[test]
fn debug_shows_only_the_scheme() {
    let symmetric = SigningSecret::generate(SigningScheme::HmacSha256, ENTROPY);
    let pair = SigningSecret::generate(SigningScheme::Ed25519, ENTROPY);
    assert_eq!(format!("{symmetric:?}"), "SigningSecret(hmac-sha256, [redacted])");
    assert_eq!(format!("{pair:#?}"), "SigningSecret(ed25519, [redacted])");

    // Every type that contains a secret.
    let shown = format!(
        "{symmetric:?} {pair:?} {:?} {:#?} {:?}",
        VerificationKey::from(&symmetric),
        Verifier::new(&symmetric).with_key(&pair),
        symmetric.expose(),
    );
    for hidden in ["MDEy", "0123456789", "48, 49, 50", "30313233", "0x30"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

#[test]
fn an_error_never_contains_the_secret() {
    for text in ["topsecret", "whsec_topsecret", "whsk_topsecret", "whpk_topsecret"] {
        let error = text.parse::<VerificationKey>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("topsecret"));
    }
}

#[test]
fn several_secrets_sign_in_order_separated_by_one_space() {
    let secrets = [
        SigningSecret::generate(SigningScheme::Ed25519, ENTROPY),
        SigningSecret::generate(SigningScheme::HmacSha256, ENTROPY),
        SigningSecret::generate(SigningScheme::HmacSha256, [1; 32]),
    ];
    let each: Vec<String> =
        secrets.iter().map(|secret| secret.sign("evt_1", 1_736_937_000, b"{}").to_string()).collect();
    let header = sign_all(&secrets, "evt_1", 1_736_937_000, b"{}");
    assert_eq!(header, each.join(" "));
    assert_eq!(sign_all([], "evt_1", 1_736_937_000, b"{}"), "");
}
