//! Header fields that claim an identity, a purpose, a consent, another address or another method change nothing, and go
//! nowhere.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tests::http::{Answer, Http};
use tests::process::wait_until;

use super::{HIDDEN, SEEN, Site, observation, patient, site, site_with};

/// Stands in every value, to be looked for where it must not come out.
const MARK: &str = "zqclaim77";

/// Fields as proxies, consent services and other products write them. `{}` is the mark.
const CLAIMS: [(&str, &str); 52] = [
    ("X-Forwarded-User", "Practitioner/boss {}"),
    ("X-Forwarded-Email", "boss@{}.example"),
    ("X-Forwarded-Groups", "administrator {}"),
    ("X-Forwarded-Preferred-Username", "boss {}"),
    ("X-Forwarded-For", "127.0.0.1, {}"),
    ("X-Forwarded-Host", "{}.example"),
    ("X-Forwarded-Proto", "https; {}"),
    ("X-Forwarded-Prefix", "/{}"),
    ("X-Forwarded-Client-Cert", "Hash={};Subject=\"CN=boss\""),
    ("Forwarded", "for=127.0.0.1;host={}.example"),
    ("X-Real-IP", "127.0.0.1 {}"),
    ("X-Client-IP", "127.0.0.1 {}"),
    ("X-Remote-User", "boss {}"),
    ("Remote-User", "boss {}"),
    ("X-User", "boss {}"),
    ("X-User-Id", "Practitioner/boss {}"),
    ("X-User-Role", "administrator {}"),
    ("X-Role", "administrator {}"),
    ("X-Roles", "administrator,emergency {}"),
    ("X-Scope", "system/*.cruds {}"),
    ("X-Authenticated-User", "boss {}"),
    ("X-Auth-Request-User", "boss {}"),
    ("X-SSL-Client-Verify", "SUCCESS {}"),
    ("X-SSL-Client-Cert", "{}"),
    ("SSL_CLIENT_S_DN", "CN=boss {}"),
    ("X-Purpose-Of-Use", "BTG {}"),
    ("X-PurposeOfUse", "TREAT {}"),
    ("Purpose-Of-Use", "ETREAT {}"),
    ("X-Break-Glass", "true {}"),
    ("X-Emergency", "true {}"),
    ("X-Emergency-Authorised", "true {}"),
    ("X-Consent", "permit {}"),
    ("X-Consent-Advice", "actor/Practitioner/boss purp/v3/BTG {}"),
    ("X-Consent-Scope", "btg {}"),
    ("X-Patient", "Patient/hidden {}"),
    ("X-Patient-Id", "hidden {}"),
    ("X-Patient-Context", "Patient/hidden {}"),
    ("X-Tenant", "{}"),
    ("X-Source", "portal {}"),
    ("X-Original-URL", "/fhir/Patient/hidden?{}"),
    ("X-Original-URI", "/fhir/Patient/hidden?{}"),
    ("X-Rewrite-URL", "/fhir/Patient/hidden?{}"),
    ("X-Original-Host", "{}.example"),
    ("X-Host", "{}.example"),
    ("X-HTTP-Method", "DELETE {}"),
    ("X-HTTP-Method-Override", "PUT {}"),
    ("X-Method-Override", "DELETE {}"),
    ("X-Request-Id", "{}"),
    ("X-Correlation-Id", "{}"),
    ("Traceparent", "00-{}"),
    ("Cookie", "role=administrator; {}"),
    ("From", "boss@{}.example"),
];

fn claims() -> Vec<(&'static str, String)> {
    CLAIMS.iter().map(|(name, value)| (*name, value.replace("{}", MARK))).collect()
}

/// What an answer says, without what differs between two equal questions.
fn said(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let changing = ["date", "x-request-id", "ledger-exchange"];
    let headers = answer.headers.iter().filter(|(name, _)| !changing.contains(&name.as_str())).cloned().collect();
    (answer.status, headers, answer.text())
}

#[test]
fn no_header_field_makes_anybody_of_somebody() {
    let site = site();
    let clinician = site.clinician();
    let all: Vec<(&str, String)> = claims();
    let questions = [
        "/fhir/Patient/seen",
        "/fhir/Patient/hidden",
        "/fhir/Patient?_id=seen,hidden",
        "/fhir/Consent?patient=hidden",
        "/exchanges",
        "/fhir/Patient/hidden/$everything",
        "/fhir/Patient/hidden/_history",
    ];
    for path in questions {
        let plain = said(&clinician.get(path));
        let unknown = said(&site.http.get(path));
        for (name, value) in &all {
            let one = [(*name, value.as_str())];
            assert_eq!(said(&clinician.send("GET", path, &one, b"")), plain, "{name} {path}");
            assert_eq!(said(&site.http.send("GET", path, &one, b"")), unknown, "{name} {path}");
        }
        let every: Vec<(&str, &str)> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (status, _, text) = said(&clinician.send("GET", path, &every, b""));
        assert_eq!((status, text.as_str()), (plain.0, plain.2.as_str()), "all of them: {path}");
        assert!(!text.contains(MARK) && !text.contains(HIDDEN), "{path}: {text}");
        assert_eq!(unknown.0, 401, "{path}");
    }
    the_emergency_is_declared_by_claims_alone(&site, &all);
    a_method_is_the_one_of_the_request(&site);
    wait_until("the requests are logged", || site.gateway.log().contains("\"status\":404"));
    assert!(!site.gateway.log().contains(MARK), "a header field is in the log");
    assert!(!site.http.get("/metrics").text().contains(MARK));
    let events = site.administrator.get("/fhir/AuditEvent?_count=1000").text();
    assert!(!events.contains(MARK), "a header field is in the audit log");
}

fn the_emergency_is_declared_by_claims_alone(site: &Site, claims: &[(&str, String)]) {
    let declaration = json!({"patient": "Patient/hidden", "reason": "found unconscious"}).to_string();
    let mut headers: Vec<(&str, &str)> = claims.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("Content-Type", "application/json"));
    let answer = site.clinician().send("POST", "/emergency/declare", &headers, declaration.as_bytes());
    assert_eq!(answer.status, 403, "{}", answer.text());
    let answer = site.http.send("POST", "/emergency/declare", &headers, declaration.as_bytes());
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert_eq!(site.clinician().get("/fhir/Patient/hidden").status, 404);
}

fn a_method_is_the_one_of_the_request(site: &Site) {
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"] {
        for method in ["DELETE", "PUT", "PATCH", "GET"] {
            let body = patient("seen", "Zqcanaryoverridden").to_string();
            let headers = [(name, method), ("Content-Type", "application/fhir+json")];
            let answer = site.administrator.send("POST", "/fhir/Patient/seen", &headers, body.as_bytes());
            assert_eq!(answer.status, 405, "{name}: {method}: {}", answer.text());
        }
    }
    for method in ["TRACE", "CONNECT", "TRACK", "PROPFIND", "DEBUG", "get", "GET\u{e4}"] {
        let answer = site.clinician().try_send(method, "/fhir/Patient/seen", &[], b"");
        let Ok(answer) = answer else { continue };
        assert!((400..500).contains(&answer.status), "{method}: {}", answer.status);
        assert!(!answer.text().contains(SEEN), "{method}");
    }
    assert!(site.clinician().get("/fhir/Patient/seen").text().contains(SEEN), "it is as it was");
}

/// A partner that keeps every byte it was sent, head and body.
fn recorder() -> (std::net::SocketAddr, Arc<Mutex<Vec<u8>>>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, kept) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<u8>>>::default());
    let keeping = Arc::clone(&kept);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0_u8; 65536];
            let mut request = Vec::new();
            while !String::from_utf8_lossy(&request).ends_with("]}") {
                match stream.read(&mut buffer) {
                    Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
                    _ => break,
                }
            }
            keeping.lock().unwrap().extend_from_slice(&request);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
        }
    });
    (address, kept)
}

#[test]
fn no_header_field_of_a_sender_is_forwarded() {
    let (partner, kept) = recorder();
    let site = site_with(&format!(
        "[consent]\nimplicit_policy = \"permit-all\"\n\n\
         [[source]]\nname = \"portal\"\ntransport = \"http\"\nformat = \"fhir-r4\"\nids = \"kept\"\ndestinations = [\"clinic\"]\n\n\
         [[destination]]\nname = \"clinic\"\ntransport = \"fhir\"\naddress = \"http://{partner}/fhir\"\n\
         recipient = [\"Organization/clinic\"]\npurpose = [\"TREAT\"]\n"
    ));
    let source = site.gateway.token(&["--role", "source", "--purpose", "TREAT", "--actor", "Device/portal"]);
    let source: Http = site.http.with(&source);
    let all = claims();
    let mut headers: Vec<(&str, &str)> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("Content-Type", "application/fhir+json"));
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": patient("fwd", SEEN)}, {"resource": observation("fwd-o", "fwd", SEEN)}]});
    let answer = source.send("POST", "/ingest/portal", &headers, bundle.to_string().as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text());
    wait_until("the partner has it", || String::from_utf8_lossy(&kept.lock().unwrap()).contains(SEEN));
    let request = String::from_utf8_lossy(&kept.lock().unwrap()).into_owned();
    assert!(!request.contains(MARK), "{request}");
    let head = request.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
    let names: Vec<&str> = head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    // The request id is ours: it names the delivery.
    let expected = ["accept", "content-length", "content-type", "host", "prefer", "x-request-id"];
    assert!(names.iter().all(|name| expected.contains(name)), "{names:?}");
    assert!(!head.contains("authorization"), "the sender's token is nobody else's");
}
