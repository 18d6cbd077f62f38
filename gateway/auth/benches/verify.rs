//! How long it takes to know a caller. `cargo bench -p auth`
#![expect(clippy::expect_used, reason = "the samples are written here")]

use std::time::Duration;

use auth::{Request, Role, SourceSecret, SourceSecrets, TokenKey, Verifier, issue};
use ring::rand::SystemRandom;

fn main() {
    divan::main();
}

fn sample() -> (TokenKey, Verifier, Request, SystemRandom) {
    let random = SystemRandom::new();
    let pem = TokenKey::generate(&random).expect("the machine has randomness");
    let key = TokenKey::from_pem(&pem, &random).expect("a key made here");
    let request = Request {
        roles: vec![Role::Clinician],
        purposes: vec!["TREAT".to_owned()],
        actors: vec!["Practitioner/a".to_owned(), "Organization/o".to_owned()],
        ttl: Duration::from_secs(600),
        ..Request::default()
    };
    (TokenKey::from_pem(&pem, &random).expect("a key made here"), Verifier::of_data_directory(&key), request, random)
}

/// Checking a token: ES256, claims, limits.
#[divan::bench]
fn verifies_a_token(bencher: divan::Bencher<'_, '_>) {
    let (key, verifier, request, random) = sample();
    let token = issue(&key, &verifier, &request, 1_800_000_000, &random).expect("a request in order");
    bencher.bench(|| verifier.verify(divan::black_box(&token), 1_800_000_000, None));
}

/// Signing a token.
#[divan::bench]
fn issues_a_token(bencher: divan::Bencher<'_, '_>) {
    let (key, verifier, request, random) = sample();
    bencher.bench(|| issue(&key, &verifier, divan::black_box(&request), 1_800_000_000, &random));
}

/// Checking the secret of one source among a hundred.
#[divan::bench]
fn checks_a_secret(bencher: divan::Bencher<'_, '_>) {
    let mut secrets = SourceSecrets::default();
    for number in 0..100 {
        let text = format!("the secret of source {number}");
        secrets.add(&number.to_string(), SourceSecret::from_file(text.as_bytes()).expect("long enough"));
    }
    bencher.bench(|| secrets.check(divan::black_box("7"), "Bearer the secret of source 7"));
}
