//! Small requests that ask for much: each is answered soon, with a refusal, and the process is no larger after it.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::http::{Answer, Http};

use super::{Site, network::resident, observation, site};

/// How long an answer may take: a debug build on a machine that does other things, too.
const SOON: Duration = Duration::from_secs(25);
/// What the process may grow by over all of them, in KiB.
const GROWTH: u64 = 256 * 1024;

const JSON: &str = "application/fhir+json";
const XML: &str = "application/fhir+xml";

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}{}", open.repeat(depth), close.repeat(depth))
}

/// Bodies for `POST /fhir/Patient`, that no gateway may take.
fn bodies() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let text = |inner: &str| format!("{{\"resourceType\":\"Patient\",{inner}}}").into_bytes();
    let xml = |inner: &str| format!("<Patient xmlns=\"http://hl7.org/fhir\">{inner}</Patient>").into_bytes();
    let laughs = {
        let mut doctype = "<!DOCTYPE p [<!ENTITY a0 \"ha\">".to_owned();
        for level in 1..10 {
            doctype.push_str(&format!("<!ENTITY a{level} \"{}\">", format!("&a{};", level - 1).repeat(10)));
        }
        format!("{doctype}]><Patient xmlns=\"http://hl7.org/fhir\"><id value=\"&a9;\"/></Patient>").into_bytes()
    };
    let many = |piece: &str, size: usize| piece.repeat(size / piece.len());
    let attributes: String = (0..200_000).map(|number| format!(" a{number}=\"x\"")).collect();
    let members: String = (0..300_000).map(|number| format!("\"m{number}\":1,")).collect();
    vec![
        ("a hundred thousand lists", JSON, nested("[", "]", 100_000).into_bytes()),
        ("a hundred thousand objects", JSON, nested("{\"a\":", "}", 100_000).into_bytes()),
        ("lists that are never closed", JSON, "[".repeat(1 << 20).into_bytes()),
        (
            "extensions in extensions",
            JSON,
            text(&format!("\"extension\":{}", nested("[{\"url\":\"u\",\"extension\":", "}]", 5_000))),
        ),
        (
            "contained in contained",
            JSON,
            text(&format!(
                "\"contained\":{}1{}",
                "[{\"resourceType\":\"Patient\",\"contained\":".repeat(500),
                "}]".repeat(500)
            )),
        ),
        ("three hundred thousand members", JSON, text(&format!("{members}\"z\":1"))),
        ("seven hundred thousand empty lists", JSON, text(&format!("\"name\":[{}[]]", many("[],", 2 << 20)))),
        ("seven hundred thousand empty objects", JSON, text(&format!("\"name\":[{}{{}}]", many("{},", 2 << 20)))),
        ("a million numbers", JSON, text(&format!("\"name\":[{}1]", many("1,", 2 << 20)))),
        ("a member twice", JSON, text("\"id\":\"a\",\"id\":\"b\"")),
        ("a member twice, once escaped", JSON, text("\"id\":\"a\",\"i\\u0064\":\"b\"")),
        ("a hundred thousand times the same member", JSON, text(&format!("{}\"z\":1", many("\"a\":1,", 600_000)))),
        ("a number of a million digits", JSON, text(&format!("\"multipleBirthInteger\":{}", "9".repeat(1_000_000)))),
        ("a number to a huge power", JSON, text("\"multipleBirthInteger\":1e999999999999")),
        ("a number to a huge negative power", JSON, text("\"multipleBirthInteger\":1e-999999999999")),
        ("minus nothing", JSON, text("\"multipleBirthInteger\":-")),
        ("infinity", JSON, text("\"multipleBirthInteger\":Infinity")),
        ("half a pair", JSON, text("\"gender\":\"\\ud800\"")),
        ("a NUL in a text", JSON, text("\"gender\":\"\\u0000\"")),
        (
            "bytes that are no UTF-8",
            JSON,
            text("\"gender\":\"x\"").into_iter().map(|byte| if byte == b'x' { 0xff } else { byte }).collect(),
        ),
        (
            "an id of a megabyte",
            JSON,
            text(&format!("\"id\":\"{}\",\"gender\":\"{}\"", "a".repeat(1 << 20), "b".repeat(10))),
        ),
        ("a date of a megabyte", JSON, text(&format!("\"birthDate\":\"{}\"", "1".repeat(1 << 20)))),
        ("a name of ten megabytes", JSON, text(&format!("\"{}\":1", "a".repeat(10 << 20)))),
        ("spaces", JSON, " ".repeat(8 << 20).into_bytes()),
        ("nothing", JSON, Vec::new()),
        ("a billion laughs", XML, laughs),
        (
            "entities that grow by squares",
            XML,
            format!(
                "<!DOCTYPE p [<!ENTITY a \"{}\">]><Patient xmlns=\"http://hl7.org/fhir\"><id value=\"{}\"/></Patient>",
                "a".repeat(50_000),
                "&a;".repeat(50_000)
            )
            .into_bytes(),
        ),
        ("an entity of its own", XML, xml("<id value=\"&own;\"/>")),
        (
            "an entity of parameters",
            XML,
            b"<!DOCTYPE p [<!ENTITY % a \"<!ENTITY b 'c'>\">%a;]><Patient xmlns=\"http://hl7.org/fhir\"/>".to_vec(),
        ),
        (
            "a document type of ten megabytes",
            XML,
            format!("<!DOCTYPE p [{}]><Patient xmlns=\"http://hl7.org/fhir\"/>", "<!-- x -->".repeat(1 << 20))
                .into_bytes(),
        ),
        ("a hundred thousand elements deep", XML, xml(&nested("<extension>", "</extension>", 100_000))),
        (
            "elements that are never closed",
            XML,
            format!("<Patient xmlns=\"http://hl7.org/fhir\">{}", "<extension>".repeat(500_000)).into_bytes(),
        ),
        ("two hundred thousand attributes", XML, xml(&format!("<id{attributes}/>"))),
        ("an attribute twice", XML, xml("<id value=\"a\" value=\"b\"/>")),
        (
            "a hundred thousand namespaces",
            XML,
            xml(&format!("<id{}/>", (0..100_000).map(|number| format!(" xmlns:n{number}=\"u\"")).collect::<String>())),
        ),
        ("three hundred thousand elements", XML, xml(&many("<name/>", 2 << 20))),
        ("a reference to a character that is none", XML, xml("<id value=\"&#0;\"/>")),
        ("a reference to a huge character", XML, xml("<id value=\"&#99999999999999;\"/>")),
        ("a comment of eight megabytes", XML, format!("<!--{}", "x".repeat(8 << 20)).into_bytes()),
        ("a section of eight megabytes", XML, xml(&format!("<![CDATA[{}", "x".repeat(8 << 20)))),
        (
            "UTF-16 without a mark",
            XML,
            "<Patient xmlns=\"http://hl7.org/fhir\"/>".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        ("UTF-7", XML, b"<?xml version=\"1.0\" encoding=\"UTF-7\"?>+ADw-Patient+AD4-".to_vec()),
    ]
}

#[track_caller]
fn refused(name: &str, begun: Instant, answer: &Answer) {
    let took = begun.elapsed();
    assert!(
        (400..500).contains(&answer.status),
        "{name}: {} {}",
        answer.status,
        answer.text().chars().take(300).collect::<String>()
    );
    assert!(took < SOON, "{name} took {took:?}");
    assert!(answer.body.len() < 200_000, "{name}: an answer of {} bytes", answer.body.len());
}

/// Some refusals come before the body was read: then the connection may break under what is still being sent.
fn post(http: &Http, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
    http.try_send("POST", path, headers, body).ok()
}

#[test]
fn bombs_are_refused_soon_and_leave_nothing() {
    let site = site();
    let process = site.gateway.process();
    // What a first request of each kind loads stays, and is no growth.
    let _ = site.administrator.post("/fhir/Patient", &json!({"resourceType": "Patient", "gender": "x"}));
    let before = resident(process);
    let vectors = bodies();
    assert!(vectors.len() >= 40, "{}", vectors.len());
    for (name, kind, body) in &vectors {
        let begun = Instant::now();
        let answer = site.administrator.try_send("POST", "/fhir/Patient", &[("Content-Type", kind)], body);
        let answer = answer.unwrap_or_else(|error| panic!("{name}: {error}"));
        refused(name, begun, &answer);
    }
    let after = resident(process);
    assert!(after < before + GROWTH, "{before} KiB before, {after} KiB after the bodies");
    compressed(&site);
    questions(&site);
    too_much(&site);
    let last = resident(process);
    assert!(last < before + GROWTH, "{before} KiB before, {last} KiB after all of it");
    site.still_works();
}

/// Nothing is unpacked, so nothing grows: a body says what it is, as it is.
fn compressed(site: &Site) {
    // Ten bytes that say they are ten megabytes would do; what counts is that nobody tries.
    let packed: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xed, 0xc1, 1, 1, 0, 0, 0, 0x80, 0x90, 0xfe];
    for encoding in [
        "gzip",
        "x-gzip",
        "deflate",
        "br",
        "zstd",
        "compress",
        "gzip, gzip",
        "identity, gzip",
        "exi",
        "aes128gcm",
        "GZIP",
        "",
    ] {
        for (path, kind) in [
            ("/fhir/Patient", JSON),
            ("/ingest/portal", JSON),
            ("/convert?from=fhir-r4&to=hl7v2", JSON),
            ("/fhir/Patient/_search", "application/x-www-form-urlencoded"),
            ("/emergency/declare", "application/json"),
        ] {
            let begun = Instant::now();
            let answer = site.administrator.send(
                "POST",
                path,
                &[("Content-Type", kind), ("Content-Encoding", encoding)],
                packed,
            );
            refused(&format!("{encoding} {path}"), begun, &answer);
        }
    }
    for kind in [
        "application/zip",
        "application/gzip",
        "application/x-tar",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/fhir+ndjson",
    ] {
        let answer = site.administrator.send("POST", "/fhir/Patient", &[("Content-Type", kind)], packed);
        refused(kind, Instant::now(), &answer);
    }
}

fn questions(site: &Site) {
    for number in 0..30 {
        site.put(&observation(&format!("many-{number}"), "seen", "x"));
    }
    let clinician = site.clinician();
    // Asking for very many is asking for as many as there are, up to a page.
    for count in ["1000000000", "99999999999999999999999999"] {
        let answer = clinician.get(&format!("/fhir/Observation?_count={count}"));
        assert_eq!(answer.status, 200, "{count}: {}", answer.text());
        assert!(answer.json()["entry"].as_array().unwrap().len() <= 1000);
    }
    let long = "x".repeat(5_000);
    let mut asked: Vec<(String, String)> = vec![
        ("a count that is none".to_owned(), "_count=1e9".to_owned()),
        ("a count below nothing".to_owned(), "_count=-1".to_owned()),
        ("a count as a fraction".to_owned(), "_count=1.5".to_owned()),
        ("an empty count".to_owned(), "_count=".to_owned()),
        ("a page of nobody's".to_owned(), "_page=ffffffffffffffff-0".to_owned()),
        ("a page of letters".to_owned(), format!("_page={long}")),
        ("a long id".to_owned(), format!("_id={long}")),
        ("a long name".to_owned(), format!("{long}=x")),
        ("includes of includes".to_owned(), "_include:iterate=*&_revinclude:iterate=*:*&_include=*".to_owned()),
        ("a chain without end".to_owned(), format!("subject{}=x", ":Patient.link".repeat(500))),
        ("has of has".to_owned(), format!("{}=x", "_has:Observation:subject:".repeat(300))),
        ("a sort by everything".to_owned(), format!("_sort={}", "a,".repeat(3_000))),
        ("a filter".to_owned(), format!("_filter={}", "(".repeat(5_000))),
        ("a query".to_owned(), "_query=everything".to_owned()),
        ("an escape that is cut".to_owned(), "_id=%".to_owned()),
        ("an escape that is no UTF-8".to_owned(), "_id=%ff".to_owned()),
        ("a date of all dates".to_owned(), format!("_lastUpdated={}", "ge2000,".repeat(3_000))),
        ("ten thousand values".to_owned(), format!("_id={}", "a,".repeat(10_000))),
        ("ten thousand escaped values".to_owned(), format!("_id={}", "a%2C".repeat(10_000))),
        ("ten thousand parameters".to_owned(), (0..10_000).map(|number| format!("p{number}=1&")).collect()),
        ("one parameter ten thousand times".to_owned(), "_id=a&".repeat(10_000)),
        ("sixty thousand ampersands".to_owned(), "&".repeat(60_000)),
    ];
    asked.push(("ten thousand identifiers".to_owned(), format!("identifier={}", "a|b,".repeat(10_000))));
    for (name, query) in &asked {
        let begun = Instant::now();
        refused(name, begun, &clinician.get(&format!("/fhir/Observation?{query}")));
        // A form has room for more.
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        refused(name, begun, &clinician.send("POST", "/fhir/Observation/_search", &form, query.as_bytes()));
    }
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    for (name, body) in [
        ("a million parameters", "a=b&".repeat(1 << 20)),
        ("ten megabytes of one", format!("_id={}", "a".repeat(10 << 20))),
    ] {
        let begun = Instant::now();
        refused(name, begun, &clinician.send("POST", "/fhir/Observation/_search", &form, body.as_bytes()));
    }
    let id = "a".repeat(30_000);
    for path in [
        format!("/fhir/Patient/{id}"),
        format!("/fhir/Patient/seen/_history/{id}"),
        format!("/fhir/{id}/seen"),
        format!("/exchanges/{id}"),
        format!("/ledger/tile/{id}"),
        format!("/ledger/tile/entries/{}", "x001/".repeat(5_000)),
        format!("/ledger/receipts/{id}"),
        format!("/console/{id}"),
        format!("/emergency/grants/{id}/summary"),
        format!("{}x", "/a".repeat(10_000)),
        "/fhir/Patient/seen/_history/99999999999999999999999999".to_owned(),
        "/fhir/Patient/seen/_history/-1".to_owned(),
    ] {
        refused(&path.chars().take(60).collect::<String>(), Instant::now(), &clinician.get(&path));
    }
    for header in ["If-Match", "If-None-Match", "If-None-Exist", "Prefer", "Accept"] {
        let answer = site.administrator.send(
            "PUT",
            "/fhir/Patient/a",
            &[("Content-Type", JSON), (header, &"x,".repeat(10_000))],
            b"{",
        );
        refused(header, Instant::now(), &answer);
    }
}

/// More than is taken at all.
fn too_much(site: &Site) {
    let large = vec![b' '; 20 << 20];
    for path in ["/fhir/Patient", "/ingest/portal", "/convert?to=hl7v2", "/emergency/find"] {
        if let Some(answer) = post(&site.administrator, path, &[("Content-Type", JSON)], &large) {
            assert_eq!(answer.status, 413, "{path}: {}", answer.text());
        }
    }
    let entry = json!({"resource": {"resourceType": "Basic", "code": {"text": "x"}}, "request": {"method": "POST", "url": "Basic"}});
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": vec![entry; 6_000]});
    refused("six thousand entries", Instant::now(), &site.administrator.post("/fhir", &bundle));
    let itself = json!({"resourceType": "Bundle", "type": "transaction", "entry": (0..50).map(|_| json!({
        "resource": {"resourceType": "Patient", "id": "same"}, "request": {"method": "PUT", "url": "Patient/same"}})).collect::<Vec<_>>()});
    refused("fifty times the same", Instant::now(), &site.administrator.post("/fhir", &itself));
}
