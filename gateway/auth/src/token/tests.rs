use base64::Engine as _;
use proptest::prelude::*;
use ring::rand::SystemRandom;

use super::*;

const NOW: i64 = 1_800_000_000;

struct Sample {
    key: TokenKey,
    verifier: Verifier,
    random: SystemRandom,
}

fn sample() -> Sample {
    let random = SystemRandom::new();
    let pem = TokenKey::generate(&random).unwrap();
    let key = TokenKey::from_pem(&pem, &random).unwrap();
    Sample { verifier: Verifier::of_data_directory(&key), key, random }
}

fn clinician() -> Request {
    Request {
        roles: vec![Role::Clinician],
        purposes: vec!["TREAT".to_owned()],
        actors: vec!["Practitioner/a".to_owned(), "Organization/o".to_owned()],
        identifiers: vec![Identifier { system: "urn:npi".to_owned(), value: "1".to_owned() }],
        ttl: Duration::from_secs(600),
        ..Request::default()
    }
}

impl Sample {
    fn token(&self, request: &Request) -> String {
        issue(&self.key, &self.verifier, request, NOW, &self.random).unwrap()
    }

    /// A token with this header and these claims, signed with the key of the sample.
    fn forged(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(signed.as_bytes(), &self.random).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn header(&self) -> String {
        format!(r#"{{"alg":"ES256","kid":"{}","typ":"anchorline-dev+jwt"}}"#, self.key.id())
    }

    fn claims(&self) -> String {
        let name = &self.verifier.issuer;
        format!(
            r#"{{"iss":"{name}","aud":"{name}","sub":"s","iat":{NOW},"exp":{},"jti":"j","roles":["auditor"]}}"#,
            NOW + 60
        )
    }

    #[track_caller]
    fn refuses(&self, token: &str, expected: TokenError) {
        assert_eq!(self.verifier.verify(token, NOW, None), Err(expected));
    }
}

#[test]
fn a_token_says_who_holds_it() {
    let sample = sample();
    let request = Request { emergency_authorised: true, patient: Some("p".to_owned()), ..clinician() };
    let caller = sample.verifier.verify(&sample.token(&request), NOW + 599, None).unwrap();
    assert!(caller.has(Role::Clinician) && !caller.has(Role::Administrator));
    assert_eq!(caller.person(), "Practitioner/a");
    assert_eq!(caller.refs(), request.actors);
    assert_eq!(caller.identifiers(), request.identifiers);
    assert_eq!(caller.purposes(), request.purposes);
    assert_eq!((caller.patient(), caller.expires()), (Some("p"), Some(NOW + 600)));
    assert!(caller.emergency_authorised() && !caller.may_declare_emergency(), "TREAT is not BTG");
    assert!(matches!(caller.binding(), Some(Binding::Token(id)) if Some(id.as_str()) == caller.token_id()));
}

#[test]
fn two_tokens_for_the_same_have_different_ids() {
    let sample = sample();
    let id = |token: &str| sample.verifier.verify(token, NOW, None).unwrap().token_id().map(str::to_owned);
    assert_ne!(id(&sample.token(&clinician())), id(&sample.token(&clinician())));
}

#[test]
fn break_glass_is_declared_with_the_single_purpose_and_the_authorisation() {
    let sample = sample();
    let may = |authorised: bool, purposes: &[&str]| {
        let purposes = purposes.iter().map(|it| (*it).to_owned()).collect();
        let request = Request { emergency_authorised: authorised, purposes, ..clinician() };
        sample.verifier.verify(&sample.token(&request), NOW, None).unwrap().may_declare_emergency()
    };
    assert!(may(true, &["BTG"]));
    assert!(may(true, &["http://terminology.hl7.org/CodeSystem/v3-ActReason|BTG"]));
    assert!(!may(false, &["BTG"]));
    assert!(!may(true, &["BTG", "TREAT"]));
    assert!(!may(true, &["urn:other|BTG"]));
}

#[test]
fn refuses_algorithm_none_and_confusion() {
    let sample = sample();
    let header = |alg: &str| sample.header().replace("ES256", alg);
    for alg in ["none", "None", "HS256", "ES256K", "ES384", "RS256", ""] {
        sample.refuses(&sample.forged(&header(alg), &sample.claims()), TokenError::Algorithm);
    }
    let signed = sample.forged(&header("none"), &sample.claims());
    let unsigned = format!("{}.", signed.rsplit_once('.').unwrap().0);
    sample.refuses(&unsigned, TokenError::Algorithm);
    // A MAC under the public key, which an ES256 verifier that trusts `alg` would accept.
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header("HS256")), URL_SAFE_NO_PAD.encode(sample.claims()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, sample.key.id().as_bytes());
    let mac = ring::hmac::sign(&key, text.as_bytes());
    sample.refuses(&format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac)), TokenError::Algorithm);
}

#[test]
fn refuses_headers_that_bring_a_key_or_anything_else() {
    let sample = sample();
    for more in [
        r#""jwk":{"kty":"EC"}"#,
        r#""jku":"https://evil.example/keys""#,
        r#""x5u":"https://evil.example/c""#,
        r#""crit":["exp"]"#,
        r#""zip":"DEF""#,
        r#""alg":"none""#,
        r#""kid":"other""#,
    ] {
        let header = sample.header().replacen('{', &format!("{{{more},"), 1);
        sample.refuses(&sample.forged(&header, &sample.claims()), TokenError::Header);
    }
    sample.refuses(&sample.forged("{}", &sample.claims()), TokenError::Header);
    sample.refuses(&sample.forged("[]", &sample.claims()), TokenError::Header);
    let other_use = sample.header().replace("anchorline-dev+jwt", "JWT");
    sample.refuses(&sample.forged(&other_use, &sample.claims()), TokenError::Algorithm);
}

#[test]
fn refuses_keys_it_does_not_know_and_signatures_that_do_not_fit() {
    let (mine, other) = (sample(), sample());
    mine.refuses(&other.token(&clinician()), TokenError::UnknownKey);
    mine.refuses(&other.forged(&mine.header(), &mine.claims()), TokenError::Signature);
    let token = mine.token(&clinician());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let swapped = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(mine.claims()));
    mine.refuses(&swapped, TokenError::Signature);
    mine.refuses(&format!("{signed}."), TokenError::Signature);
    let der = URL_SAFE_NO_PAD.encode([0x30, 6, 2, 1, 1, 2, 1, 1]);
    mine.refuses(&format!("{signed}.{der}"), TokenError::Signature);
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    mine.refuses(&format!("{signed}.{zeros}"), TokenError::Signature);
}

#[test]
fn refuses_tokens_that_are_over_too_early_or_too_long() {
    let sample = sample();
    let token = sample.token(&clinician());
    assert_eq!(sample.verifier.verify(&token, NOW + 600, None), Err(TokenError::Expired));
    assert!(sample.verifier.verify(&token, NOW - CLOCK_SKEW_SECONDS, None).is_ok());
    assert_eq!(sample.verifier.verify(&token, NOW - CLOCK_SKEW_SECONDS - 1, None), Err(TokenError::Lifetime));
    let exp = format!(r#""exp":{}"#, NOW + 60);
    for (claims, expected) in [
        (sample.claims().replace(&exp, &format!(r#""exp":{}"#, NOW + 24 * 3600 + 1)), TokenError::Lifetime),
        (sample.claims().replace(&exp, &format!(r#""exp":{}"#, i64::MAX)), TokenError::Lifetime),
        (
            sample
                .claims()
                .replace(&exp, &format!(r#""exp":{}"#, i64::MAX))
                .replace(&format!(r#""iat":{NOW}"#), &format!(r#""iat":{}"#, i64::MIN)),
            TokenError::Lifetime,
        ),
        (sample.claims().replace(&exp, r#""exp":0"#), TokenError::Expired),
        (sample.claims().replace(&exp, r#""exp":1e99"#), TokenError::Claims),
        (sample.claims().replace(&exp, r#""exp":"2099""#), TokenError::Claims),
        (sample.claims().replace(&format!(",{exp}"), ""), TokenError::Claims),
    ] {
        sample.refuses(&sample.forged(&sample.header(), &claims), expected);
    }
}

#[test]
fn refuses_other_issuers_and_audiences() {
    let sample = sample();
    let name = sample.verifier.issuer.clone();
    let issuer = sample.claims().replacen(&name, "urn:other", 1);
    sample.refuses(&sample.forged(&sample.header(), &issuer), TokenError::Issuer);
    let audience = sample.claims().replace(&format!(r#""aud":"{name}""#), r#""aud":"urn:other""#);
    sample.refuses(&sample.forged(&sample.header(), &audience), TokenError::Audience);
}

#[test]
fn refuses_claims_that_come_twice_or_are_not_known() {
    let sample = sample();
    for more in
        [r#""roles":["administrator"]"#, r#""exp":4000000000"#, r#""admin":true"#, r#""nbf":0"#, r#""cnf":{"jwk":{}}"#]
    {
        let claims = sample.claims().replacen('{', &format!("{{{more},"), 1);
        sample.refuses(&sample.forged(&sample.header(), &claims), TokenError::Claims);
    }
    for (before, after) in [
        (r#"["auditor"]"#, r#"["root"]"#),
        (r#"["auditor"]"#, "[]"),
        (r#""jti":"j""#, r#""jti":"""#),
        (r#""roles""#, r#""Roles""#),
    ] {
        sample.refuses(&sample.forged(&sample.header(), &sample.claims().replace(before, after)), TokenError::Claims);
    }
}

#[test]
fn refuses_what_is_no_compact_jws() {
    let sample = sample();
    let token = sample.token(&clinician());
    sample.refuses(&"a".repeat(MAX_TOKEN_BYTES + 1), TokenError::Size);
    for text in ["", "..", "a.b", "a.b.c.d", &format!("{token}="), &format!(" {token}"), &token.replace('.', "..")] {
        assert!(sample.verifier.verify(text, NOW, None).is_err(), "{text}");
    }
    // The last letter of the signature carries bits that are not used; another spelling is another token.
    let last = token.chars().last().unwrap();
    for other in ('A'..='Z').chain('a'..='z').filter(|letter| *letter != last) {
        let respelled = format!("{}{other}", token.get(..token.len() - 1).unwrap());
        assert!(sample.verifier.verify(&respelled, NOW, None).is_err(), "{other}");
    }
}

#[test]
fn a_token_bound_to_a_certificate_needs_that_certificate() {
    let sample = sample();
    let (mine, other) = (Fingerprint::of_der(b"mine"), Fingerprint::of_der(b"other"));
    let token = sample.token(&Request { certificate: Some(mine), ..clinician() });
    assert_eq!(sample.verifier.verify(&token, NOW, None), Err(TokenError::Binding));
    assert_eq!(sample.verifier.verify(&token, NOW, Some(&other)), Err(TokenError::Binding));
    let caller = sample.verifier.verify(&token, NOW, Some(&mine)).unwrap();
    assert!(caller.binding().unwrap().as_text().starts_with("cnf:"));
}

#[test]
fn reads_the_authorization_header() {
    let sample = sample();
    let token = sample.token(&clinician());
    for header in [format!("Bearer {token}"), format!("bearer  {token} ")] {
        assert!(sample.verifier.verify_header(&header, NOW, None).is_ok());
    }
    for header in [format!("Basic {token}"), token.clone(), "Bearer".to_owned(), format!("Bearer {token} {token}")] {
        assert!(sample.verifier.verify_header(&header, NOW, None).is_err());
    }
}

#[test]
fn issues_only_what_can_be_used() {
    let sample = sample();
    let try_issue = |request: &Request| issue(&sample.key, &sample.verifier, request, NOW, &sample.random).map(|_| ());
    assert_eq!(try_issue(&Request { roles: vec![], ..clinician() }), Err(RequestError::Role));
    assert_eq!(try_issue(&Request { actors: vec![], identifiers: vec![], ..clinician() }), Err(RequestError::Actor));
    assert_eq!(try_issue(&Request { purposes: vec![], ..clinician() }), Err(RequestError::Purpose));
    assert_eq!(try_issue(&Request { roles: vec![Role::Patient], ..clinician() }), Err(RequestError::Patient));
    assert_eq!(try_issue(&Request { ttl: Duration::ZERO, ..clinician() }), Err(RequestError::Lifetime));
    assert_eq!(try_issue(&Request { ttl: Duration::from_secs(86_401), ..clinician() }), Err(RequestError::Lifetime));
    assert_eq!(try_issue(&Request { actors: vec!["x".repeat(9000)], ..clinician() }), Err(RequestError::Size));
    let administrator =
        Request { roles: vec![Role::Administrator], ttl: Duration::from_secs(60), ..Request::default() };
    assert_eq!(try_issue(&administrator), Ok(()));
}

#[test]
fn a_key_file_is_read_back_and_others_are_not() {
    let random = SystemRandom::new();
    let pem = TokenKey::generate(&random).unwrap();
    let one = TokenKey::from_pem(&pem, &random).unwrap();
    let again = TokenKey::from_pem(&pem.replace('\n', "\r\n"), &random).unwrap();
    assert_eq!(one.id(), again.id());
    assert_eq!(one.id().len(), 43);
    assert!(pem.lines().all(|line| line.len() <= 64));
    for (text, expected) in [
        ("", KeyError::Pem),
        ("-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----", KeyError::Pem),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", KeyError::Kind),
        (&pem.replace("END PRIVATE", "END PUBLIC"), KeyError::Pem),
    ] {
        assert_eq!(TokenKey::from_pem(text, &random).unwrap_err(), expected);
    }
    assert_eq!(format!("{one:?}"), format!("TokenKey({})", one.id()));
}

#[test]
fn the_open_caller_reaches_everything_and_a_stranger_cannot_be_made() {
    let open = Caller::open();
    assert!(open.is_open() && open.has(Role::Administrator));
    assert_eq!(open.may(crate::role::Action::Opening), crate::role::Access::Direct);
    assert_eq!(open.person(), "anonymous");
}

#[test]
fn identifiers_are_read_as_system_and_value() {
    let read = |text: &str| Identifier::parse(text).map(|it| (it.system, it.value));
    assert_eq!(read("urn:a|b"), Some(("urn:a".to_owned(), "b".to_owned())));
    assert_eq!(read("b"), None);
    assert_eq!(read("|b"), None);
    assert_eq!(read("urn:a|"), None);
}

proptest! {
    #[test]
    fn no_text_is_a_token_or_a_panic(text in r"[A-Za-z0-9_\-.=]{0,200}") {
        prop_assert!(sample().verifier.verify(&text, NOW, None).is_err());
    }

    #[test]
    fn a_changed_byte_is_another_token(at in 0_usize..1000, byte in any::<u8>()) {
        let sample = sample();
        let mut bytes = sample.token(&clinician()).into_bytes();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        if let Ok(text) = String::from_utf8(bytes) {
            prop_assert!(sample.verifier.verify(&text, NOW, None).is_err());
        }
    }
}
