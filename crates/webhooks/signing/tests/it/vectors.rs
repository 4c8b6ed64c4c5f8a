//! Signatures of other implementations of Standard Webhooks, which this one must create and accept exactly.

use rdev_webhooks_signing::{Headers, PublicKey, SigningSecret, VerificationKey, Verifier};
use secrecy::ExposeSecret;
use serde::Deserialize;

const VECTORS: &str = include_str!("../data/standard-webhooks-vectors.json");

#[derive(Deserialize)]
struct Vector {
    scheme: String,
    secret: String,
    public: Option<String>,
    id: String,
    timestamp: i64,
    body: String,
    signature: String,
    source: String,
}

fn vectors() -> Vec<Vector> {
    let vectors: Vec<Vector> = serde_json::from_str(VECTORS).unwrap();
    for scheme in ["v1", "v1a"] {
        assert!(vectors.iter().any(|vector| vector.scheme == scheme));
    }
    vectors
}

fn verifies(key: impl Into<VerificationKey>, vector: &Vector) -> bool {
    let timestamp = vector.timestamp.to_string();
    let headers =
        Headers { id: Some(&vector.id), timestamp: Some(&timestamp), signature: Some(&vector.signature) };
    Verifier::new(key).verify(headers, vector.body.as_bytes(), vector.timestamp).is_ok()
}

#[test]
fn every_vector_is_signed_identically() {
    for vector in vectors() {
        let secret: SigningSecret = vector.secret.parse().unwrap();
        let signature = secret.sign(&vector.id, vector.timestamp, vector.body.as_bytes());
        assert_eq!(signature.to_string(), vector.signature, "{}", vector.source);
        assert!(vector.signature.starts_with(&format!("{},", vector.scheme)));
    }
}

#[test]
fn every_vector_verifies() {
    for vector in vectors() {
        let secret: SigningSecret = vector.secret.parse().unwrap();
        assert!(verifies(secret, &vector), "{}", vector.source);

        let key: VerificationKey = vector.secret.parse().unwrap();
        assert!(verifies(key, &vector), "{}", vector.source);
    }
}

#[test]
fn every_vector_verifies_with_the_public_key_where_there_is_one() {
    for vector in vectors() {
        let secret: SigningSecret = vector.secret.parse().unwrap();
        let public: Option<PublicKey> = vector.public.as_ref().map(|text| text.parse().unwrap());
        assert_eq!(secret.public_key(), public, "{}", vector.source);
        if let Some(public) = public {
            assert!(verifies(public, &vector), "{}", vector.source);
        }
    }
}

#[test]
fn every_secret_is_exposed_as_it_was_given() {
    for vector in vectors() {
        let secret: SigningSecret = vector.secret.parse().unwrap();
        assert_eq!(secret.expose().expose_secret(), vector.secret);
    }
}
