//! The gateway connects to nobody but those its operator configured, and believes none of them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{SEEN, Site, observation, patient, site, site_with};

/// A listener that counts who comes.
fn trap() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let counting = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            counting.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
        }
    });
    (address, count)
}

/// Ways to write an address of this machine, of its network and of a cloud's metadata; those that can lead to the trap
/// name its port.
fn addresses(port: u16) -> Vec<String> {
    [
        "http://127.0.0.1:{p}/",
        "http://localhost:{p}/",
        "http://LOCALHOST:{p}/",
        "http://127.1:{p}/",
        "http://127.0.1:{p}/",
        "http://2130706433:{p}/",
        "http://0x7f000001:{p}/",
        "http://0x7f.0.0.1:{p}/",
        "http://0177.0.0.1:{p}/",
        "http://017700000001:{p}/",
        "http://0:{p}/",
        "http://0.0.0.0:{p}/",
        "http://[::1]:{p}/",
        "http://[::]:{p}/",
        "http://[::ffff:127.0.0.1]:{p}/",
        "http://[::ffff:7f00:1]:{p}/",
        "http://[0:0:0:0:0:ffff:127.0.0.1]:{p}/",
        "http://127.0.0.1.nip.io:{p}/",
        "http://localtest.me:{p}/",
        "http://user@127.0.0.1:{p}/",
        "http://127.0.0.1:{p}@example.org/",
        "http://example.org@127.0.0.1:{p}/",
        "http://example.org%40127.0.0.1:{p}/",
        "http://127.0.0.1:{p}#@example.org/",
        "http://127.0.0.1%2f@127.0.0.1:{p}/",
        "http://\u{2460}\u{2461}\u{2466}.0.0.1:{p}/",
        "http://127\u{3002}0\u{3002}0\u{3002}1:{p}/",
        "https://127.0.0.1:{p}/",
        "ftp://127.0.0.1:{p}/",
        "gopher://127.0.0.1:{p}/_GET",
        "dict://127.0.0.1:{p}/info",
        "ldap://127.0.0.1:{p}/",
        "mllp://127.0.0.1:{p}",
        "file:///etc/passwd",
        "file://127.0.0.1:{p}/etc/passwd",
        "//127.0.0.1:{p}/",
        "jar:http://127.0.0.1:{p}!/",
        "netdoc:///etc/passwd",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/",
        "http://metadata.google.internal/computeMetadata/v1/",
        "http://100.100.100.200/latest/",
        "http://10.0.0.1:{p}/",
        "http://192.168.0.1:{p}/",
        "http://127.0.0.1:{p}/%0d%0aHost:%20x",
        "http://127.0.0.1:{p}\\@example.org/",
    ]
    .iter()
    .map(|address| address.replace("{p}", &port.to_string()))
    .collect()
}

/// Resources with the address wherever FHIR has one.
fn bait(url: &str) -> Vec<Value> {
    let attachment = json!({"contentType": "text/plain", "url": url});
    let extension = json!([{"url": url, "valueUrl": url}]);
    let coding = json!({"coding": [{"system": url, "code": "x", "display": "x"}]});
    vec![
        json!({"resourceType": "Patient", "id": "bait", "implicitRules": url, "meta": {"profile": [url], "source": url}}),
        json!({"resourceType": "Patient", "id": "bait", "photo": [attachment], "extension": extension, "telecom": [{"system": "url", "value": url}],
               "generalPractitioner": [{"reference": url}], "managingOrganization": {"reference": format!("{url}Organization/1")},
               "link": [{"other": {"reference": format!("{url}Patient/1")}, "type": "seealso"}]}),
        json!({"resourceType": "Observation", "id": "bait", "status": "final", "code": coding, "subject": {"reference": format!("{url}Patient/seen")},
               "derivedFrom": [{"reference": format!("{url}Observation/1")}]}),
        json!({"resourceType": "DocumentReference", "id": "bait", "status": "current", "content": [{"attachment": attachment}], "subject": {"reference": "Patient/seen"}}),
        json!({"resourceType": "Endpoint", "id": "bait", "status": "active", "connectionType": {"code": "hl7-fhir-rest"}, "payloadType": [{"text": "x"}], "address": url}),
        json!({"resourceType": "Subscription", "id": "bait", "status": "requested", "reason": "x", "criteria": "Observation?", "channel": {"type": "rest-hook", "endpoint": url}}),
        json!({"resourceType": "ValueSet", "id": "bait", "status": "active", "url": url, "compose": {"include": [{"system": url, "valueSet": [url]}]}}),
        json!({"resourceType": "StructureDefinition", "id": "bait", "url": url, "name": "X", "status": "active", "kind": "resource", "abstract": false,
               "type": "Patient", "baseDefinition": url, "derivation": "constraint"}),
        json!({"resourceType": "Questionnaire", "id": "bait", "status": "active", "derivedFrom": [url], "item": [{"linkId": "1", "type": "choice", "answerValueSet": url}]}),
        json!({"resourceType": "QuestionnaireResponse", "id": "bait", "status": "completed", "questionnaire": url}),
        json!({"resourceType": "MessageHeader", "id": "bait", "eventUri": url, "source": {"endpoint": url}, "destination": [{"endpoint": url}], "definition": url}),
        json!({"resourceType": "Media", "id": "bait", "status": "completed", "content": attachment, "subject": {"reference": "Patient/seen"}}),
        json!({"resourceType": "Consent", "id": "bait", "status": "draft", "patient": {"reference": "Patient/seen"}, "scope": coding, "category": [coding],
               "policy": [{"uri": url, "authority": url}], "sourceAttachment": attachment,
               "provision": {"type": "permit", "actor": [{"role": coding, "reference": {"reference": format!("{url}Practitioner/1")}}]}}),
        json!({"resourceType": "Provenance", "id": "bait", "recorded": "2026-01-01T00:00:00Z", "target": [{"reference": format!("{url}Patient/1")}],
               "agent": [{"who": {"reference": format!("{url}Practitioner/1")}}], "policy": [url]}),
    ]
}

#[test]
fn nothing_that_a_resource_names_is_fetched() {
    let (trap, came) = trap();
    let site = site();
    let administrator = &site.administrator;
    let addresses = addresses(trap.port());
    assert!(addresses.len() >= 40, "{}", addresses.len());
    for url in &addresses {
        for resource in bait(url) {
            let kind = resource["resourceType"].as_str().unwrap();
            let put = administrator.put(&format!("/fhir/{kind}/bait"), &resource);
            assert!(matches!(put.status, 200 | 201 | 400 | 422), "{kind} {url}: {} {}", put.status, put.text());
            let parameters = json!({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": resource}, {"name": "profile", "valueUri": url}]});
            let validated = administrator.post(&format!("/fhir/{kind}/$validate"), &parameters);
            assert!(validated.status < 500, "{kind} {url}: {}", validated.text());
        }
        let escaped: String = url.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for path in [
            format!("/fhir/Patient?subject={escaped}"),
            format!("/fhir/Observation?patient={escaped}"),
            format!("/fhir/Observation?subject:Patient={escaped}"),
            format!("/fhir/Patient/seen/$validate?profile={escaped}"),
            format!("/fhir/Patient?_profile={escaped}"),
            format!("/convert?from={escaped}"),
        ] {
            let answer = administrator.get(&path);
            assert!(answer.status < 500, "{path}: {}", answer.text());
        }
        let token = format!("e30.{}.e30", "e30");
        assert_eq!(site.http.with(&token).get("/fhir/Patient/seen").status, 401);
    }
    // What is read back is asked for as well: decisions, summaries and everything.
    for path in
        ["/fhir/Patient/seen/$everything", "/fhir/Patient/seen/$summary", "/fhir/DocumentReference?patient=seen"]
    {
        assert!(site.clinician().get(path).status < 500, "{path}");
    }
    external_entities(&site, trap);
    tokens_that_name_keys(&site, trap);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(came.load(Ordering::SeqCst), 0, "the gateway connected to an address of a resource");
    site.still_works();
}

fn external_entities(site: &Site, trap: SocketAddr) {
    for text in [
        format!(
            "<!DOCTYPE p [<!ENTITY x SYSTEM \"http://{trap}/\">]><Patient xmlns=\"http://hl7.org/fhir\"><id value=\"&x;\"/></Patient>"
        ),
        format!("<!DOCTYPE p SYSTEM \"http://{trap}/p.dtd\"><Patient xmlns=\"http://hl7.org/fhir\"/>"),
        format!("<?xml-stylesheet href=\"http://{trap}/\"?><Patient xmlns=\"http://hl7.org/fhir\"/>"),
        format!(
            "<Patient xmlns=\"http://hl7.org/fhir\" xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include href=\"http://{trap}/\"/></Patient>"
        ),
        format!(
            "<Patient xmlns=\"http://hl7.org/fhir\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"x http://{trap}/\"/>"
        ),
    ] {
        let kind = [("Content-Type", "application/fhir+xml")];
        let answer = site.administrator.send("POST", "/fhir/Patient", &kind, text.as_bytes());
        assert!(answer.status < 500, "{text}: {}", answer.text());
    }
}

fn tokens_that_name_keys(site: &Site, trap: SocketAddr) {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    for name in ["jku", "x5u", "jwks_uri", "iss"] {
        let header =
            json!({"alg": "ES256", "typ": "anchorline-dev+jwt", "kid": "x", name: format!("http://{trap}/jwks")});
        let token = format!("{}.e30.e30", URL_SAFE_NO_PAD.encode(header.to_string()));
        assert_eq!(site.http.with(&token).get("/fhir/Patient/seen").status, 401);
    }
}

/// Connecting and resolving names stand in few places, each for an address of the configuration or of the command line.
#[test]
fn few_places_connect_to_anybody() {
    const MAY: [(&str, &str); 6] = [
        ("egress/fhir.rs", "the configured partner"),
        ("egress/mllp.rs", "the configured partner"),
        ("terminology_server.rs", "the configured terminology server, asked by $validate alone"),
        ("cli/fetch.rs", "an address of the command line"),
        ("demo", "the demonstration's own gateway"),
        ("serve/tests.rs", "a test"),
    ];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/src");
    let (mut folders, mut found) = (vec![source.clone()], Vec::<PathBuf>::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let connects =
                ["TcpStream::connect", "TcpSocket", "UdpSocket", "lookup_host", "to_socket_addrs", "UnixStream"];
            if connects.iter().any(|call| text.contains(call)) {
                found.push(path.strip_prefix(&source).unwrap().to_path_buf());
            }
        }
    }
    found.retain(|path| !path.ends_with("tests.rs") && !path.components().any(|part| part.as_os_str() == "tests"));
    let unexpected: Vec<_> =
        found.iter().filter(|path| !MAY.iter().any(|(place, _)| path.starts_with(place))).collect();
    assert!(unexpected.is_empty(), "these connect to somebody: {unexpected:?}");
}

/// What a hostile partner does with a connection.
type Trick = fn(&mut TcpStream, SocketAddr);

fn reply(stream: &mut TcpStream, head: &str, body: &[u8]) {
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

fn tricks() -> Vec<(&'static str, Trick)> {
    fn answer(status: &str, more: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    }
    vec![
        ("301 to another address", |stream, trap| {
            reply(stream, &answer("301 Moved", &format!("Location: http://{trap}/\r\n"), ""), b"")
        }),
        ("302 to another address", |stream, trap| {
            reply(stream, &answer("302 Found", &format!("Location: http://{trap}/\r\n"), ""), b"")
        }),
        ("307 to another address", |stream, trap| {
            reply(stream, &answer("307 Again", &format!("Location: http://{trap}/\r\n"), ""), b"")
        }),
        ("308 to another address", |stream, trap| {
            reply(stream, &answer("308 For good", &format!("Location: http://{trap}/\r\n"), ""), b"")
        }),
        ("307 to metadata", |stream, _| {
            reply(stream, &answer("307 Again", "Location: http://169.254.169.254/latest/\r\n", ""), b"")
        }),
        ("303 to itself", |stream, _| reply(stream, &answer("303 See", "Location: /fhir\r\n", ""), b"")),
        ("300 choices", |stream, _| reply(stream, &answer("300 Choose", "", "{}"), b"")),
        ("a refresh", |stream, trap| {
            reply(stream, &answer("503 Later", &format!("Refresh: 0; url=http://{trap}/\r\n"), ""), b"")
        }),
        ("another service", |stream, trap| {
            reply(stream, &answer("503 Later", &format!("Alt-Svc: h2=\"{trap}\"\r\n"), ""), b"")
        }),
        ("a page for people", |stream, _| {
            reply(stream, &answer("200 OK", "Content-Type: text/html\r\n", "<html>log in</html>"), b"")
        }),
        ("two hundred megabytes", |stream, _| {
            reply(stream, "HTTP/1.1 200 OK\r\nContent-Length: 209715200\r\n\r\n{", b"");
            let block = vec![b' '; 1 << 16];
            for _ in 0..3200 {
                if stream.write_all(&block).is_err() {
                    return;
                }
            }
        }),
        ("chunks without end", |stream, _| {
            reply(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"");
            let block = [b"10000\r\n".to_vec(), vec![b' '; 1 << 16], b"\r\n".to_vec()].concat();
            for _ in 0..3200 {
                if stream.write_all(&block).is_err() {
                    return;
                }
            }
        }),
        ("fields without end", |stream, _| {
            reply(stream, "HTTP/1.1 200 OK\r\n", b"");
            for number in 0..100_000 {
                if write!(stream, "X-{number}: {}\r\n", "x".repeat(1000)).is_err() {
                    return;
                }
            }
        }),
        ("silence", |stream, _| {
            let _ = stream.read(&mut [0; 1]);
            std::thread::sleep(std::time::Duration::from_secs(20));
        }),
        ("a byte now and then", |stream, _| {
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" {
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(700));
            }
        }),
        ("continue, for ever", |stream, _| {
            for _ in 0..100_000 {
                if stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_err() {
                    return;
                }
            }
        }),
        ("no HTTP", |stream, _| reply(stream, "SSH-2.0-OpenSSH_9.6\r\n", b"")),
        ("a TLS record", |stream, _| reply(stream, "", &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0])),
        ("nothing", |_, _| {}),
        ("half an answer", |stream, _| {
            reply(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"resourceType\"", b"")
        }),
        ("an encoding nobody asked for", |stream, _| {
            reply(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n",
                &[0x1f, 0x8b, 8, 0],
            );
        }),
        ("a patient instead of an answer", |stream, _| {
            reply(stream, &answer("200 OK", "", r#"{"resourceType":"Patient","id":"x"}"#), b"");
        }),
        ("an error that says 200", |stream, _| {
            let body = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"exception"}]}"#;
            reply(stream, &answer("200 OK", "", body), b"");
        }),
        ("switching protocols", |stream, _| {
            reply(stream, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", b"")
        }),
        ("two answers", |stream, _| {
            reply(
                stream,
                "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
                b"",
            )
        }),
        ("an answer of two lengths", |stream, _| {
            reply(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", b"")
        }),
    ]
}

#[test]
fn a_hostile_partner_costs_itself_alone() {
    let (trap, came) = trap();
    let tricks = tricks();
    assert!(tricks.len() >= 25, "{}", tricks.len());
    let mut more = "[consent]\nimplicit_policy = \"permit-all\"\n\n".to_owned();
    let names: Vec<String> = (0..tricks.len()).map(|number| format!("p{number}")).collect();
    let mut partners = Vec::new();
    for ((_, trick), name) in tricks.iter().zip(&names) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let asked = Arc::<AtomicUsize>::default();
        more.push_str(&format!(
            "[[destination]]\nname = \"{name}\"\ntransport = \"fhir\"\naddress = \"http://{}/fhir\"\nrecipient = [\"Organization/{name}\"]\n\
             purpose = [\"TREAT\"]\nretry = \"quick\"\n\n",
            listener.local_addr().unwrap()
        ));
        let (trick, counting) = (*trick, Arc::clone(&asked));
        partners.push(asked);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                counting.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    let _ = stream.set_write_timeout(Some(std::time::Duration::from_secs(10)));
                    let mut request = Vec::new();
                    let mut buffer = [0; 65536];
                    while !String::from_utf8_lossy(&request).ends_with("]}") {
                        match stream.read(&mut buffer) {
                            Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
                            _ => break,
                        }
                    }
                    trick(&mut stream, trap);
                });
            }
        });
    }
    more.push_str(&format!(
        "[[source]]\nname = \"portal\"\ntransport = \"http\"\nformat = \"fhir-r4\"\nids = \"kept\"\ndestinations = {names:?}\n"
    ));
    let site = site_with(&more);
    let source = site.token(&["--role", "source", "--purpose", "TREAT", "--actor", "Device/portal"]);
    let before = resident(site.gateway.process());
    let bundle = json!({"resourceType": "Bundle", "type": "collection",
        "entry": [{"resource": patient("fwd", SEEN)}, {"resource": observation("fwd-o", "fwd", SEEN)}]});
    let answer = source.post("/ingest/portal", &bundle);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let path = answer.header("location").unwrap().to_owned();
    let mut exchange = Value::Null;
    // The slow ones are given up after four times five seconds.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while std::time::Instant::now() < deadline {
        exchange = site.administrator.get(&path).json();
        let deliveries = exchange["deliveries"].as_array().cloned().unwrap_or_default();
        if deliveries.len() == names.len() && deliveries.iter().all(|it| it["state"] != "pending") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    for ((name, _), (place, asked)) in tricks.iter().zip(names.iter().zip(&partners)) {
        let delivery =
            exchange["deliveries"].as_array().unwrap().iter().find(|it| it["destination"] == place.as_str()).unwrap();
        assert_eq!(delivery["state"], "dead", "{name}: {delivery}");
        assert!(
            delivery["last_error"].as_str().is_some_and(|why| !why.is_empty() && why.len() < 200),
            "{name}: {delivery}"
        );
        let asked = asked.load(Ordering::SeqCst);
        assert!((1..=4).contains(&asked), "{name}: asked {asked} times");
    }
    assert_eq!(came.load(Ordering::SeqCst), 0, "a redirect was followed");
    let after = resident(site.gateway.process());
    assert!(after < before + 128 * 1024, "{before} KiB before, {after} KiB after");
    site.still_works();
}

/// Memory of a process in KiB.
pub(super) fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
