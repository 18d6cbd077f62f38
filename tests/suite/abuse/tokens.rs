//! Tokens that must not be taken. Each would let the clinician see the patient if it were.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tests::http::Answer;

use super::{SEEN, Site, site};

/// Whoever holds the signing key, which is what most of the tokens below are signed with: it is the check that refuses
/// them, not a signature that happens not to fit.
struct Forge {
    pair: EcdsaKeyPair,
    header: Value,
    claims: Value,
    good: String,
}

impl Forge {
    fn of(site: &Site) -> Self {
        let pem = std::fs::read_to_string(site.gateway.data().join("keys/token-key.pem")).unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let pair = pair(&STANDARD.decode(body).unwrap());
        let good = site.clinician.clone();
        let piece = |number: usize| -> Value {
            let bytes = URL_SAFE_NO_PAD.decode(good.split('.').nth(number).unwrap()).unwrap();
            serde_json::from_slice(&bytes).unwrap()
        };
        Self { pair, header: piece(0), claims: piece(1), good: good.clone() }
    }

    /// A token of these two texts, signed.
    fn text(&self, header: &str, claims: &str) -> String {
        self.bytes(header.as_bytes(), claims.as_bytes())
    }

    fn bytes(&self, header: &[u8], claims: &[u8]) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// With a member of the header set, or taken out by `null`.
    fn header(&self, name: &str, value: Value) -> String {
        self.text(&with(&self.header, name, value).to_string(), &self.claims.to_string())
    }

    fn claim(&self, name: &str, value: Value) -> String {
        self.text(&self.header.to_string(), &with(&self.claims, name, value).to_string())
    }

    /// With text put in front of the members of the claims.
    fn before_claims(&self, text: &str) -> String {
        self.text(&self.header.to_string(), &self.claims.to_string().replacen('{', &format!("{{{text},"), 1))
    }

    fn before_header(&self, text: &str) -> String {
        self.text(&self.header.to_string().replacen('{', &format!("{{{text},"), 1), &self.claims.to_string())
    }
}

fn pair(pkcs8: &[u8]) -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new()).unwrap()
}

fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut object = object.clone();
    if value.is_null() {
        object.as_object_mut().unwrap().remove(name);
    } else {
        object[name] = value;
    }
    object
}

fn mac(key: &[u8], header: &Value, claims: &Value) -> String {
    let signed =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Name and token.
fn forged(forge: &Forge, other_gateway: &str) -> Vec<(String, String)> {
    let now = forge.claims["iat"].as_i64().unwrap();
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, token: String| all.push((name.to_owned(), token));
    // Algorithms.
    for alg in [
        "none", "None", "NONE", "nOnE", "HS256", "HS512", "RS256", "PS256", "ES384", "ES512", "ES256K", "EdDSA",
        "es256", "",
    ] {
        add(&format!("alg {alg}"), forge.header("alg", json!(alg)));
    }
    add("no alg", forge.header("alg", Value::Null));
    add("alg is no text", forge.header("alg", json!(["ES256"])));
    let (signed, signature) = forge.good.rsplit_once('.').unwrap();
    let (head, body) = signed.split_once('.').unwrap();
    for alg in ["none", "ES256"] {
        let header = URL_SAFE_NO_PAD.encode(with(&forge.header, "alg", json!(alg)).to_string());
        add(&format!("alg {alg} without a signature"), format!("{header}.{body}."));
    }
    let point = forge.pair.public_key().as_ref();
    let hs256 = with(&forge.header, "alg", json!("HS256"));
    add("HS256 under the public point", mac(point, &hs256, &forge.claims));
    add("HS256 under the key id", mac(forge.header["kid"].as_str().unwrap().as_bytes(), &hs256, &forge.claims));
    add("HS256 under nothing", mac(b"", &hs256, &forge.claims));
    add("a MAC that claims to be ES256", mac(point, &forge.header, &forge.claims));
    // Time.
    for (name, claim, value) in [
        ("over", "exp", json!(now - 1)),
        ("over since 1970", "exp", json!(0)),
        ("over before 1970", "exp", json!(-1)),
        ("ends as a fraction", "exp", json!(4_000_000_000.5)),
        ("ends as a text", "exp", json!("4000000000")),
        ("never ends", "exp", Value::Null),
        ("ends in a thousand years", "exp", json!(now + 31_536_000_000_i64)),
        ("ends a day and a second after its beginning", "exp", json!(now + 86_401)),
        ("ends at the end of numbers", "exp", json!(i64::MAX)),
        ("begins in an hour", "iat", json!(now + 3600)),
        ("begins at the beginning of numbers", "iat", json!(i64::MIN)),
        ("has no beginning", "iat", Value::Null),
        ("not before tomorrow", "nbf", json!(now + 86_400)),
    ] {
        add(name, forge.claim(claim, value));
    }
    // For whom and by whom.
    for (name, claim, value) in [
        ("another audience", "aud", json!("https://other.example/fhir")),
        ("an audience of several", "aud", json!([forge.claims["aud"].clone(), "https://other.example"])),
        ("no audience", "aud", Value::Null),
        ("an empty audience", "aud", json!("")),
        ("another issuer", "iss", json!("urn:anchorline:data:other")),
        ("no issuer", "iss", Value::Null),
    ] {
        add(name, forge.claim(claim, value));
    }
    // Keys.
    let random = SystemRandom::new();
    let mine = pair(EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap().as_ref());
    let swapped = Forge { pair: mine, header: forge.header.clone(), claims: forge.claims.clone(), good: String::new() };
    add("another key under the known name", swapped.text(&forge.header.to_string(), &forge.claims.to_string()));
    add("a token of another gateway", other_gateway.to_owned());
    for (name, kid) in [
        ("an unknown key", json!("unknown")),
        ("an empty key id", json!("")),
        ("a key id that is a path", json!("../../keys/token-key.pem")),
        ("a key id that is a query", json!("x' OR '1'='1")),
        ("no key id", Value::Null),
    ] {
        add(name, forge.header("kid", kid));
    }
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"});
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!("http://127.0.0.1:9/keys")),
        ("x5u", json!("http://127.0.0.1:9/certificate")),
        ("x5c", json!(["AA"])),
        ("x5t#S256", json!("AA")),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ] {
        add(&format!("a header with {name}"), forge.header(name, value));
    }
    for (name, typ) in [("JWT", json!("JWT")), ("access token", json!("at+jwt")), ("none", Value::Null)] {
        add(&format!("type {name}"), forge.header("typ", typ));
    }
    // Twice.
    add("alg twice", forge.before_header(r#""alg":"none""#));
    add("kid twice", forge.before_header(r#""kid":"other""#));
    add("roles twice", forge.before_claims(r#""roles":["administrator"]"#));
    add("exp twice", forge.before_claims(r#""exp":4000000000"#));
    add("roles twice, once in other letters", forge.before_claims(r#""rol\u0065s":["administrator"]"#));
    // Form.
    add("padded", format!("{}=", forge.good));
    add("the other alphabet", forge.good.replace(['-', '_'], "+"));
    add("a star", format!("{}*", forge.good));
    add("four pieces", format!("{}.e30", forge.good));
    add("five pieces, as encrypted ones have", format!("{head}.e30.e30.e30.e30"));
    add("two pieces", signed.to_owned());
    add("one piece", "e30".to_owned());
    add("dots", "..".to_owned());
    add("something behind the claims", forge.text(&forge.header.to_string(), &format!("{} {{}}", forge.claims)));
    add("something behind the header", forge.text(&format!("{}x", forge.header), &forge.claims.to_string()));
    add("a NUL behind the claims", forge.text(&forge.header.to_string(), &format!("{}\0", forge.claims)));
    add("a byte order mark", forge.text(&forge.header.to_string(), &format!("\u{feff}{}", forge.claims)));
    let latin = [forge.claims.to_string().as_bytes(), b"\xff"].concat();
    add("claims that are no UTF-8", forge.bytes(forge.header.to_string().as_bytes(), &latin));
    add("claims that are a list", forge.text(&forge.header.to_string(), "[]"));
    add("claims that are nothing", forge.text(&forge.header.to_string(), ""));
    add("claims a thousand deep", forge.text(&forge.header.to_string(), &"[".repeat(1000)));
    add("huge", forge.claim("sub", json!("x".repeat(9000))));
    add("a huge header", forge.header("kid", json!("x".repeat(7000))));
    // Signatures.
    add("zeros for a signature", format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 64])));
    add("ones for a signature", format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0xff; 64])));
    add("a signature in DER", format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0x30, 6, 2, 1, 1, 2, 1, 1])));
    add("half a signature", format!("{signed}.{}", &signature[..signature.len() / 2]));
    add("a signature and more", format!("{signed}.{signature}AAAA"));
    add("a signature of something else", {
        let other = forge.claim("sub", json!("other"));
        format!("{signed}.{}", other.rsplit_once('.').unwrap().1)
    });
    add("claims of another token", {
        let other = with(&forge.claims, "roles", json!(["administrator"]));
        format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(other.to_string()))
    });
    // Claims.
    for (name, claim, value) in [
        ("a role that is none", "roles", json!(["root"])),
        ("no role", "roles", json!([])),
        ("a role as text", "roles", json!("clinician")),
        ("a role in a list in a list", "roles", json!([["clinician"]])),
        ("a role in other letters", "roles", json!(["Clinician"])),
        ("no id", "jti", Value::Null),
        ("an empty id", "jti", json!("")),
        ("a claim nobody knows", "admin", json!(true)),
        ("somebody who acts for somebody", "act", json!({"sub": "Practitioner/boss"})),
        ("emergency authorisation as text", "emergency_authorised", json!("true")),
        ("bound to a certificate that was not shown", "cnf", json!({"x5t#S256": "AA"})),
        ("bound to a key of another kind", "cnf", json!({"jkt": "AA"})),
        ("bound to nothing", "cnf", json!({})),
        ("scopes as a list", "scope", json!(["user/*.cruds"])),
    ] {
        add(name, forge.claim(claim, value));
    }
    all
}

#[track_caller]
fn refused(name: &str, answer: &Answer) {
    assert!(matches!(answer.status, 401 | 403), "{name}: {} {}", answer.status, answer.text());
    let body = answer.json();
    let members = |value: &Value| {
        let mut names: Vec<String> = value.as_object().into_iter().flat_map(|it| it.keys().cloned()).collect();
        names.sort();
        names
    };
    assert_eq!(body["resourceType"], "OperationOutcome", "{name}: {}", answer.text());
    assert_eq!(members(&body), ["issue", "resourceType"], "{name}");
    assert_eq!(body["issue"].as_array().map(Vec::len), Some(1), "{name}");
    assert_eq!(members(&body["issue"][0]), ["code", "diagnostics", "severity"], "{name}: {}", answer.text());
    assert_eq!(body["issue"][0]["code"], "login", "{name}");
    assert!(answer.header("www-authenticate").is_some_and(|it| it.contains("Bearer")), "{name}");
    assert!(!answer.text().contains(SEEN), "{name}");
}

#[test]
fn a_hundred_tokens_are_refused_alike() {
    let site = site();
    let other = tests::process::Gateway::start(&tests::process::configuration(""));
    let other_token = other.clinician("Practitioner/c");
    let forge = Forge::of(&site);
    assert_eq!(site.http.with(&forge.good).get("/fhir/Patient/seen").status, 200);
    let again = forge.text(&forge.header.to_string(), &forge.claims.to_string());
    assert_eq!(site.http.with(&again).get("/fhir/Patient/seen").status, 200, "the forge makes good ones, too");
    let vectors = forged(&forge, &other_token);
    assert!(vectors.len() >= 90, "{}", vectors.len());
    for (name, token) in &vectors {
        refused(name, &site.http.with(token).get("/fhir/Patient/seen"));
        // A route that also takes other credentials, and one that everybody on this machine reaches without any.
        assert_eq!(site.http.with(token).post("/ingest/portal", &json!({})).status, 401, "{name}");
        assert_eq!(site.http.with(token).get("/metrics").status, 401, "{name}");
    }
    site.still_works();
}

#[test]
fn a_token_counts_in_the_one_place_where_it_belongs() {
    let site = site();
    let good = site.clinician.as_str();
    let none = site.http.get("/fhir/Patient/seen");
    refused("nothing", &none);
    let long = "a".repeat(20_000);
    let headers: Vec<(&str, Vec<(&str, String)>)> = vec![
        ("another scheme", vec![("Authorization", format!("Token {good}"))]),
        ("as the user of Basic", vec![("Authorization", format!("Basic {good}"))]),
        ("DPoP", vec![("Authorization", format!("DPoP {good}"))]),
        ("no scheme", vec![("Authorization", good.to_owned())]),
        ("nothing behind the scheme", vec![("Authorization", "Bearer".to_owned())]),
        ("spaces behind the scheme", vec![("Authorization", "Bearer   ".to_owned())]),
        ("twice in one field", vec![("Authorization", format!("Bearer {good} {good}"))]),
        ("twice with a comma", vec![("Authorization", format!("Bearer {good}, Bearer {good}"))]),
        ("two fields", vec![("Authorization", format!("Bearer {good}")), ("Authorization", format!("Bearer {good}"))]),
        ("good, then bad", vec![("Authorization", format!("Bearer {good}")), ("Authorization", "Bearer x".to_owned())]),
        ("bad, then good", vec![("Authorization", "Bearer x".to_owned()), ("Authorization", format!("Bearer {good}"))]),
        ("a field of 20,000 letters", vec![("Authorization", format!("Bearer {long}"))]),
        ("beyond ASCII", vec![("Authorization", format!("Bearer {good}\u{e4}"))]),
        ("a cookie", vec![("Cookie", format!("access_token={good}; Authorization=Bearer {good}"))]),
        ("a field of a proxy", vec![("Proxy-Authorization", format!("Bearer {good}"))]),
        ("a field of its own", vec![("X-Access-Token", good.to_owned()), ("X-Auth-Token", good.to_owned())]),
        ("what a proxy saw", vec![("X-Forwarded-Authorization", format!("Bearer {good}"))]),
        ("a protocol of a socket", vec![("Sec-WebSocket-Protocol", format!("bearer, {good}"))]),
    ];
    for (name, headers) in &headers {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        refused(name, &site.http.send("GET", "/fhir/Patient/seen", &headers, b""));
    }
    for path in [
        format!("/fhir/Patient/seen?access_token={good}"),
        format!("/fhir/Patient/seen?_format=json&token={good}"),
        format!("/fhir/Patient?_id=seen&authorization=Bearer%20{good}"),
    ] {
        refused("in the address", &site.http.get(&path));
    }
    let form = format!("_id=seen&access_token={good}");
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    refused("in a form", &site.http.send("POST", "/fhir/Patient/_search", &kind, form.as_bytes()));
    site.still_works();
}

/// Roles, scopes and consents: what one of them does not let through is not let through.
#[test]
fn role_and_scope_and_consent_must_permit() {
    let site = site();
    let scoped = |role: &str, more: &[&str], scope: Option<&str>| {
        let mut arguments = vec!["--role", role];
        arguments.extend(more);
        arguments.extend(scope.iter().flat_map(|scope| ["--scope", scope]));
        site.token(&arguments)
    };
    let clinician = ["--purpose", "TREAT", "--actor", "Practitioner/c"];
    // Scope; read Patient, read Observation, search Observation, of the patient who may be seen.
    for (scope, patient, observation, search) in [
        (None, 200, 200, 1),
        (Some("user/*.cruds"), 200, 200, 1),
        (Some("user/*.r"), 200, 200, 0),
        (Some("user/*.s"), 404, 404, 1),
        (Some("user/Observation.rs"), 403, 200, 1),
        (Some("user/Observation.r"), 403, 200, 0),
        (Some("user/Patient.rs"), 200, 403, 403),
        (Some("user/*.cud"), 403, 403, 403),
        (Some("system/*.cruds"), 403, 403, 403),
        (Some("patient/*.cruds"), 403, 403, 403),
    ] {
        let caller = scoped("clinician", &clinician, scope);
        assert_eq!(caller.get("/fhir/Patient/seen").status, patient, "{scope:?}");
        assert_eq!(caller.get("/fhir/Observation/seen-o").status, observation, "{scope:?}");
        let found = caller.get("/fhir/Observation");
        if search == 403 {
            assert_eq!(found.status, 403, "{scope:?}");
        } else {
            assert_eq!(found.json()["entry"].as_array().map_or(0, Vec::len), search, "{scope:?}: {}", found.text());
        }
        // No scope outdoes the consent.
        for path in ["/fhir/Patient/hidden", "/fhir/Observation/hidden-o"] {
            assert!(matches!(caller.get(path).status, 403 | 404), "{scope:?} {path}");
        }
        assert!(!found.text().contains(super::HIDDEN), "{scope:?}");
    }
    // A launch for one patient narrows to that patient, whoever else's record the consents open.
    site.put(&super::consent("hidden-c", "hidden", "permit", "2026-01-01"));
    let launched = [&clinician[..], &["--patient", "seen"]].concat();
    let caller = scoped("clinician", &launched, Some("patient/*.rs"));
    assert_eq!(caller.get("/fhir/Observation/seen-o").status, 200);
    assert_eq!(caller.get("/fhir/Observation/hidden-o").status, 404);
    assert!(!caller.get("/fhir/Observation").text().contains(super::HIDDEN));
    assert!(!caller.get("/fhir/Patient/seen/$everything").text().contains(super::HIDDEN));
    assert_eq!(scoped("clinician", &launched, None).get("/fhir/Observation/hidden-o").status, 200);
    // Patients themselves, and writes.
    let own = ["--purpose", "PATRQT", "--actor", "Patient/seen", "--patient", "seen"];
    let reader = scoped("patient", &own, Some("patient/Observation.rs"));
    assert_eq!(reader.get("/fhir/Observation/seen-o").status, 200);
    assert_eq!(reader.get("/fhir/Observation/hidden-o").status, 404);
    assert_eq!(reader.get("/fhir/Patient/seen").status, 403);
    assert_eq!(reader.put("/fhir/Consent/seen-c", &super::consent("seen-c", "seen", "deny", "2026-02-01")).status, 403);
    let administrator = ["--purpose", "HOPERAT"];
    let writer = scoped("administrator", &administrator, Some("system/Observation.u"));
    assert_eq!(writer.put("/fhir/Observation/seen-o", &super::observation("seen-o", "seen", SEEN)).status, 200);
    assert_eq!(writer.post("/fhir/Observation", &super::observation("x", "seen", SEEN)).status, 403);
    assert_eq!(writer.put("/fhir/Patient/seen", &super::patient("seen", SEEN)).status, 403);
    assert_eq!(writer.get("/fhir/AuditEvent").status, 403);
    assert_eq!(writer.get("/exchanges").status, 403);
    assert_eq!(scoped("auditor", &administrator, Some("system/*.rs")).get("/exchanges").status, 200);
    // What is not understood permits nothing, and is not issued either.
    let forge = Forge::of(&site);
    for scope in ["", "openid", "user/Observation.rs?category=laboratory", "user/Observation.read", "user/*.rz", "*"] {
        let token = forge.claim("scope", json!(scope));
        for path in ["/fhir/Patient/seen", "/fhir/Observation/seen-o", "/fhir/Observation"] {
            assert_eq!(site.http.with(&token).get(path).status, 403, "{scope:?} {path}");
        }
        if !scope.is_empty() {
            let config = site.gateway.scratch().join("anchorline.toml");
            let data = site.gateway.data();
            let output = tests::process::run(&[
                "token",
                "--config",
                config.to_str().unwrap(),
                "--data",
                data.to_str().unwrap(),
                "--role",
                "clinician",
                "--purpose",
                "TREAT",
                "--actor",
                "Practitioner/c",
                "--scope",
                scope,
            ]);
            assert_eq!(output.status.code(), Some(2), "{scope:?}");
        }
    }
}
