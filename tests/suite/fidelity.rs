//! What is given is what is kept: every example of every set through every door, and back identical. Numbers are compared
//! as text, members in their order; only `id`, `meta.versionId` and `meta.lastUpdated` are the server's.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use model::json::{Json, Limits, Object, parse};
use model::{canonical, xml};
use tests::corpus;
use tests::http::{Answer, Http};
use tests::process::Gateway;

const JSON: &str = "application/fhir+json";
const XML: &str = "application/fhir+xml";
const OPEN: &str =
    "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\nmllp = \"127.0.0.1:0\"\n\n[auth]\nmode = \"open\"\n";

/// Published in both forms, but not as the same resource: the XML has an extension that the JSON lacks.
const NO_TWIN: &str = "observation-example";

/// A resource of the examples.
struct Example {
    file: String,
    /// `Type/id`, as it is stored.
    reference: String,
    /// Its JSON text as published, with an id if it had none.
    text: Vec<u8>,
    tree: Json,
}

fn read(path: &Path) -> Json {
    let bytes = std::fs::read(path).unwrap();
    let limits = Limits { bytes: bytes.len().max(1), ..Limits::default() };
    parse(&bytes, &limits).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

/// The resource under an id of its own within the set.
fn example(file: &str, mut tree: Json, text: Option<Vec<u8>>, taken: &mut HashSet<String>) -> Option<Example> {
    let kind = model::resource::resource_type(&tree)?.to_owned();
    let id = model::resource::id(&tree).map(str::to_owned);
    let (id, text) = match id {
        Some(id) if taken.insert(format!("{kind}/{id}")) => (id, text.unwrap_or_else(|| tree.to_bytes())),
        _ => {
            let id = format!("twin-{}", taken.len());
            taken.insert(format!("{kind}/{id}"));
            tree.as_object_mut()?.insert("id", id.as_str());
            let text = tree.to_bytes();
            (id, text)
        }
    };
    Some(Example { file: file.to_owned(), reference: format!("{kind}/{id}"), text, tree })
}

/// Every resource of a folder of examples, or of the Bundles of a folder.
fn examples(folder: &Path, of_bundles: bool) -> Vec<Example> {
    let mut taken = HashSet::new();
    let mut found = Vec::new();
    for path in files(folder, "json") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let tree = read(&path);
        if of_bundles {
            for entry in tree.items("entry") {
                found.extend(example(&name, entry.get("resource").cloned().unwrap_or(Json::Null), None, &mut taken));
            }
            if !tree.items("entry").is_empty() {
                continue;
            }
        }
        found.extend(example(&name, tree, Some(std::fs::read(&path).unwrap()), &mut taken));
    }
    found
}

/// Without what is the server's.
fn stripped(resource: &Json) -> Json {
    let mut resource = resource.clone();
    let Some(object) = resource.as_object_mut() else { return resource };
    let empty = object.get_mut("meta").and_then(Json::as_object_mut).is_some_and(|meta| {
        meta.remove("versionId");
        meta.remove("lastUpdated");
        meta.is_empty()
    });
    if empty {
        object.remove("meta");
    }
    resource
}

fn tree(answer: &Answer) -> Json {
    let limits = Limits { bytes: answer.body.len().max(1), ..Limits::default() };
    parse(&answer.body, &limits).unwrap_or(Json::Null)
}

fn as_xml(http: &Http, path: &str) -> Answer {
    http.send("GET", path, &[("Accept", XML)], b"")
}

fn put(http: &Http, reference: &str, kind: &str, body: &[u8]) -> Answer {
    http.send("PUT", &format!("/fhir/{reference}"), &[("Content-Type", kind)], body)
}

/// XML without what is the server's.
fn xml_without_server(answer: &Answer) -> String {
    let mut text = answer.text();
    for name in ["versionId", "lastUpdated"] {
        if let Some(start) = text.find(&format!("<{name} ")) {
            let end = text[start..].find("/>").map_or(text.len(), |end| start + end + 2);
            text.replace_range(start..end, "");
        }
    }
    text.replace("<meta></meta>", "").replace("<meta/>", "")
}

/// What one set lost on its way, by what was done.
#[derive(Default)]
struct Losses {
    checked: BTreeMap<&'static str, usize>,
    lost: Vec<String>,
}

impl Losses {
    fn check(&mut self, what: &'static str, example: &Example, same: bool, said: impl FnOnce() -> String) {
        *self.checked.entry(what).or_default() += 1;
        if !same {
            self.lost.push(format!("{what}: {} {}: {}", example.file, example.reference, said()));
        }
    }

    fn end(self, set: &str, expected: usize) {
        eprintln!("{set}: {expected} resources; {:?}", self.checked);
        assert!(self.lost.is_empty(), "{set}: {} lost:\n{}", self.lost.len(), self.lost.join("\n"));
    }
}

/// The first place where two texts part.
fn difference(left: &Json, right: &Json) -> String {
    let (left, right) = (left.to_text(), right.to_text());
    let at = left.bytes().zip(right.bytes()).position(|(a, b)| a != b).unwrap_or(left.len().min(right.len()));
    let near = |text: &str| {
        text.chars()
            .skip(text[..].char_indices().take_while(|(i, _)| *i + 30 < at).count())
            .take(90)
            .collect::<String>()
    };
    format!("given …{}…, got …{}…", near(&left), near(&right))
}

fn check_set(set: &str, examples: &[Example]) {
    let (given, through_xml) = (Gateway::start(OPEN), Gateway::start(OPEN));
    let (http, other) = (Http::to(given.http.unwrap()), Http::to(through_xml.http.unwrap()));
    let mut losses = Losses::default();
    let mut kept = Vec::new();
    for example in examples {
        let answer = put(&http, &example.reference, JSON, &example.text);
        losses.check("taken", example, answer.status == 201, || format!("{} {}", answer.status, answer.text()));
        if answer.status != 201 {
            continue;
        }
        kept.push(example);
        let expected = stripped(&example.tree);
        let path = format!("/fhir/{}", example.reference);
        let mut same = |what: &'static str, found: &Json| {
            let found = stripped(found);
            losses.check(what, example, found == expected, || difference(&expected, &found));
        };
        same("read", &tree(&http.get(&path)));
        same("vread", &tree(&http.get(&format!("{path}/_history/1"))));
        let entry = |answer: &Answer| {
            let bundle = tree(answer);
            let first = bundle.items("entry").first().and_then(|entry| entry.get("resource"));
            first.cloned().unwrap_or(Json::Null)
        };
        same("history", &entry(&http.get(&format!("{path}/_history"))));
        let (kind, id) = example.reference.split_once('/').unwrap();
        same("search", &entry(&http.get(&format!("/fhir/{kind}?_id={id}"))));
        // XML knows no order of members but its own.
        let xml = as_xml(&http, &path);
        losses.check("as XML", example, xml.status == 200, || format!("{} {}", xml.status, xml.text()));
        let answer = put(&other, &example.reference, XML, &xml.body);
        losses.check("XML taken", example, answer.status == 201, || format!("{} {}", answer.status, answer.text()));
        let back = stripped(&tree(&other.get(&path)));
        losses.check("JSON to XML to JSON", example, canonical::same(&back, &expected), || {
            let by_name = |tree: &Json| parse(&canonical::bytes(tree), &Limits { bytes: 1 << 26, ..Limits::default() });
            difference(&by_name(&expected).unwrap(), &by_name(&back).unwrap())
        });
        let again = as_xml(&other, &path);
        let same = xml_without_server(&again) == xml_without_server(&xml);
        losses.check("XML to JSON to XML", example, same, String::new);
    }
    drop((given, through_xml));
    transactions(&kept, &mut losses);
    losses.end(set, examples.len());
}

/// The same through transactions, forty at a time.
fn transactions(examples: &[&Example], losses: &mut Losses) {
    let gateway = Gateway::start(OPEN);
    let http = Http::to(gateway.http.unwrap());
    for part in examples.chunks(40) {
        let entries = part.iter().map(|example| {
            let request = Json::Object(Object::of([
                ("method", Json::string("PUT")),
                ("url", Json::string(example.reference.as_str())),
            ]));
            Json::Object(Object::of([("resource", example.tree.clone()), ("request", request)]))
        });
        let bundle = Json::Object(Object::of([
            ("resourceType", Json::string("Bundle")),
            ("type", Json::string("transaction")),
            ("entry", Json::array(entries)),
        ]));
        let answer = http.send("POST", "/fhir", &[("Content-Type", JSON)], &bundle.to_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        for example in part {
            let expected = stripped(&example.tree);
            let found = stripped(&tree(&http.get(&format!("/fhir/{}", example.reference))));
            losses.check("transaction", example, found == expected, || difference(&expected, &found));
        }
    }
    for example in examples.iter().filter(|example| example.reference.starts_with("Patient/")) {
        let bundle = tree(&http.get(&format!("/fhir/{}/$everything", example.reference)));
        let expected = stripped(&example.tree);
        let found = bundle.items("entry").iter().filter_map(|entry| entry.get("resource")).map(stripped);
        let found = found.filter(|found| found == &expected).count();
        losses.check("$everything", example, found == 1, || format!("{found} of it"));
    }
}

fn examples_of(name: &str, folder: &str, of_bundles: bool) {
    let Some(corpus) = corpus(name) else { return };
    let folder = corpus.join("fhir-r4").join(folder);
    let examples = examples(&folder, of_bundles);
    assert!(!examples.is_empty(), "{} is empty", folder.display());
    check_set(name, &examples);
}

#[test]
fn examples_of_the_specification_come_back_as_given() {
    examples_of("examples_of_the_specification_come_back_as_given", "examples/r4", false);
}

#[test]
fn examples_of_us_core_come_back_as_given() {
    examples_of("examples_of_us_core_come_back_as_given", "examples/us-core-6.1.0", false);
}

#[test]
fn examples_of_ips_come_back_as_given() {
    examples_of("examples_of_ips_come_back_as_given", "examples/ips-2.0.0", false);
}

#[test]
fn examples_of_ipa_come_back_as_given() {
    examples_of("examples_of_ipa_come_back_as_given", "examples/ipa", false);
}

#[test]
fn examples_in_both_forms_come_back_as_given() {
    examples_of("examples_in_both_forms_come_back_as_given", "examples/r4-xml-json", false);
}

#[test]
fn patients_of_the_reference_server_come_back_as_given() {
    let name = "patients_of_the_reference_server_come_back_as_given";
    examples_of(name, "bundles/us-core-reference-server", true);
}

#[test]
fn synthetic_patients_come_back_as_given() {
    examples_of("synthetic_patients_come_back_as_given", "bundles/synthea-2019", true);
}

/// XML as others publish it: taken, given back as the same tree, through JSON too, and equal to its published twin.
#[test]
fn published_xml_comes_back_as_given_and_equals_its_twin_in_json() {
    let Some(corpus) = corpus("published_xml_comes_back_as_given_and_equals_its_twin_in_json") else { return };
    let folder = corpus.join("fhir-r4/examples/r4-xml-json");
    let (given, second) = (Gateway::start(OPEN), Gateway::start(OPEN));
    let (http, other) = (Http::to(given.http.unwrap()), Http::to(second.http.unwrap()));
    let files = files(&folder, "xml");
    assert!(files.len() >= 5, "only {} files", files.len());
    let mut twins = 0;
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        let limits = Limits { bytes: bytes.len(), ..Limits::default() };
        let published = stripped(&xml::parse(&bytes, &limits).unwrap().resource);
        let reference = model::resource::reference_to(&published).unwrap().to_string();
        let answer = put(&http, &reference, XML, &bytes);
        assert!([200, 201].contains(&answer.status), "{}: {}", path.display(), answer.text());
        let json = http.get(&format!("/fhir/{reference}"));
        assert!(canonical::same(&stripped(&tree(&json)), &published), "{}", path.display());
        let answer = put(&other, &reference, JSON, &json.body);
        assert!([200, 201].contains(&answer.status), "{}: {}", path.display(), answer.text());
        let back = as_xml(&other, &format!("/fhir/{reference}"));
        let back = xml::parse(&back.body, &Limits { bytes: back.body.len(), ..Limits::default() }).unwrap();
        assert!(canonical::same(&stripped(&back.resource), &published), "{}", path.display());
        let twin = path.with_extension("json");
        let is_twin = !path.ends_with(format!("{NO_TWIN}.xml")) && twin.exists();
        if is_twin && model::resource::reference_to(&read(&twin)).map(|it| it.to_string()) == Some(reference) {
            let (published, twin) = (without_text(&published), without_text(&stripped(&read(&twin))));
            let said = difference(&twin, &published);
            assert!(canonical::same(&twin, &published), "{}: {said}", path.display());
            twins += 1;
        }
    }
    assert!(twins > 0, "no example in both forms");
}

/// Narratives are published with other white space in each form.
fn without_text(resource: &Json) -> Json {
    let mut resource = resource.clone();
    if let Some(object) = resource.as_object_mut() {
        object.remove("text");
    }
    resource
}

/// Everything that others lose: trailing zeros, exponents, offsets, fractions of seconds, an extension that nobody knows at
/// every depth, members in an order of their own, a primitive that is an extension alone, characters beyond the first plane.
const TRAPS: &str = r#"{"status":"final","resourceType":"Observation","id":"traps","extension":[{"url":"https://unknown.example/depth","extension":[{"url":"inner","valueDecimal":0.10},{"url":"power","valueDecimal":1.20E-3}]}],"identifier":[{"system":"urn:traps","value":"1"}],"subject":{"reference":"Patient/traps"},"code":{"text":"Gewicht \uD83D\uDC3B \u00e9","_text":{"extension":[{"url":"https://unknown.example/said","valueString":"by a nurse"}]}},"effectiveDateTime":"2026-02-03T04:05:06.700+00:00","_issued":{"extension":[{"url":"https://unknown.example/when","valueInstant":"2026-02-03T04:05:06.0000Z"}]},"valueQuantity":{"value":72.50,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"},"referenceRange":[{"low":{"value":0.0},"high":{"value":100.000}}]}"#;

/// A partner that keeps what it is sent.
fn partner() -> (std::net::SocketAddr, std::sync::mpsc::Receiver<Json>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut bytes, mut buffer) = (Vec::new(), [0; 65536]);
            let found = loop {
                let body = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
                if let Some(Ok(found)) = body.map(|at| parse(&bytes[at..], &Limits::default())) {
                    break found;
                }
                match stream.read(&mut buffer) {
                    Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
                    _ => break Json::Null,
                }
            };
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            if sender.send(found).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

fn post(http: &Http, path: &str, kind: &str, body: &[u8]) -> Answer {
    http.send("POST", path, &[("Content-Type", kind)], body)
}

/// The one resource of a Bundle that is an Observation.
fn observation(bundle: &Json) -> Json {
    let mut resources = bundle.items("entry").iter().filter_map(|entry| entry.get("resource"));
    resources.find(|it| model::resource::resource_type(it) == Some("Observation")).cloned().unwrap_or(Json::Null)
}

#[test]
fn digits_and_unknown_extensions_survive_every_path() {
    let (address, forwarded) = partner();
    let more = format!(
        "\n[consent]\nimplicit_policy = \"permit-all\"\n\n\
         [[source]]\nname = \"portal\"\ntransport = \"http\"\nformat = \"fhir-r4\"\nids = \"kept\"\ndestinations = [\"clinic\"]\n\n\
         [[destination]]\nname = \"clinic\"\ntransport = \"fhir\"\naddress = \"http://{address}/fhir\"\n\
         recipient = [\"Organization/clinic\"]\npurpose = [\"TREAT\"]\n"
    );
    let mut gateway = Gateway::start(&format!("{OPEN}{more}"));
    let http = Http::to(gateway.http.unwrap());
    let given = parse(TRAPS.as_bytes(), &Limits::default()).unwrap();
    let same = |what: &str, found: &Json| {
        let found = stripped(found);
        assert_eq!(found.to_text(), given.to_text(), "{what}");
    };
    let unordered = |what: &str, found: &Json| {
        let text = |json: &Json| String::from_utf8(canonical::bytes(json)).unwrap();
        assert_eq!(text(&stripped(found)), text(&given), "{what}");
    };
    let patient = br#"{"resourceType":"Patient","id":"traps","identifier":[{"system":"urn:traps","value":"p"}]}"#;
    assert_eq!(put(&http, "Patient/traps", JSON, patient).status, 201);
    let answer = put(&http, "Observation/traps", JSON, TRAPS.as_bytes());
    same("update", &tree(&answer));
    same("read", &tree(&http.get("/fhir/Observation/traps")));
    same("vread", &tree(&http.get("/fhir/Observation/traps/_history/1")));
    for path in [
        "/fhir/Observation/traps/_history",
        "/fhir/Observation?_id=traps",
        "/fhir/Observation?patient=Patient/traps",
        "/fhir/Patient?_id=traps&_revinclude=Observation:subject",
        "/fhir/Patient/traps/$everything",
    ] {
        same(path, &observation(&tree(&http.get(path))));
    }
    for (code, path) in [("history-type", "/fhir/Observation/_history"), ("history-system", "/fhir/_history")] {
        if declares(&http, code) {
            same(path, &observation(&tree(&http.get(path))));
        }
    }
    let form = "application/x-www-form-urlencoded";
    same("_search", &observation(&tree(&post(&http, "/fhir/Observation/_search", form, b"identifier=urn:traps|1"))));

    // XML in and out, by read and by search.
    let xml = as_xml(&http, "/fhir/Observation/traps");
    assert!(xml.text().contains(r#"value="72.50""#), "{}", xml.text());
    let read = xml::parse(&xml.body, &Limits::default()).unwrap();
    unordered("as XML", &read.resource);
    let second = Gateway::start(OPEN);
    let other = Http::to(second.http.unwrap());
    assert_eq!(put(&other, "Observation/traps", XML, &xml.body).status, 201);
    unordered("from XML", &tree(&other.get("/fhir/Observation/traps")));
    let found = xml::parse(&as_xml(&http, "/fhir/Observation?_id=traps").body, &Limits::default()).unwrap();
    unordered("search in XML", &observation(&found.resource));

    // A transaction and a batch: PUT, and POST under an id of the server.
    for kind in ["transaction", "batch"] {
        let gateway = Gateway::start(OPEN);
        let http = Http::to(gateway.http.unwrap());
        let bundle = format!(
            r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{{"resource":{TRAPS},"request":{{"method":"PUT","url":"Observation/traps"}}}},{{"resource":{},"request":{{"method":"POST","url":"Observation"}}}}]}}"#,
            TRAPS.replace(r#""value":"1""#, r#""value":"2""#)
        );
        let answer = post(&http, "/fhir", JSON, bundle.as_bytes());
        assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
        same(kind, &tree(&http.get("/fhir/Observation/traps")));
        let mut made = observation(&tree(&http.get("/fhir/Observation?identifier=urn:traps|2")));
        made.as_object_mut().unwrap().insert("id", "traps");
        let made = parse(made.to_text().replace(r#""value":"2""#, r#""value":"1""#).as_bytes(), &Limits::default());
        same(kind, &made.unwrap());
    }

    // A patch changes what it names and nothing else.
    let json_patch = br#"[{"op":"replace","path":"/status","value":"amended"}]"#;
    let answer =
        http.send("PATCH", "/fhir/Observation/traps", &[("Content-Type", "application/json-patch+json")], json_patch);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let changed = tree(&http.get("/fhir/Observation/traps"));
    let text = stripped(&changed).to_text().replace(r#""status":"amended""#, r#""status":"final""#);
    assert_eq!(text, given.to_text(), "JSON Patch");
    let fhirpath = br#"{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Observation.status"},{"name":"value","valueCode":"final"}]}]}"#;
    let answer = http.send("PATCH", "/fhir/Observation/traps", &[("Content-Type", JSON)], fhirpath);
    assert_eq!(answer.status, 200, "{}", answer.text());
    same("FHIRPath Patch", &tree(&http.get("/fhir/Observation/traps")));
    let xml_patch =
        br#"<diff xmlns:f="http://hl7.org/fhir"><replace sel="f:Observation/f:status/@value">amended</replace></diff>"#;
    let answer =
        http.send("PATCH", "/fhir/Observation/traps", &[("Content-Type", "application/xml-patch+xml")], xml_patch);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let changed = tree(&http.get("/fhir/Observation/traps"));
    let text = String::from_utf8(canonical::bytes(&stripped(&changed))).unwrap();
    let text = text.replace(r#""status":"amended""#, r#""status":"final""#);
    assert_eq!(text.as_bytes(), canonical::bytes(&given), "XML Patch");
    assert_eq!(put(&http, "Observation/traps", JSON, TRAPS.as_bytes()).status, 200);

    // Forwarded to a partner, from a source.
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{}}},{{"resource":{}}}]}}"#,
        TRAPS.replace(r#""id":"traps""#, r#""id":"sent""#),
        r#"{"resourceType":"Patient","id":"traps-sent"}"#
    );
    let answer = post(&http, "/ingest/portal", JSON, bundle.as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text());
    let mut sent = observation(&forwarded.recv_timeout(std::time::Duration::from_secs(60)).unwrap());
    sent.as_object_mut().unwrap().insert("id", "traps");
    same("forwarded", &sent);

    // Translated by the command and by the address.
    let file = gateway.scratch().join("traps.json");
    std::fs::write(&file, TRAPS).unwrap();
    let output = tests::process::run(&["convert", "--to", "fhir-r4", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    same("convert", &parse(&output.stdout, &Limits::default()).unwrap());
    same("/convert", &tree(&post(&http, "/convert?to=fhir-r4", JSON, TRAPS.as_bytes())));

    // Out of the store and into another.
    assert_eq!(gateway.terminate(), Some(0));
    let export = gateway.scratch().join("export");
    let command = |arguments: &[&str]| {
        let output = tests::process::run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let (data, export) = (gateway.data().display().to_string(), export.display().to_string());
    command(&["store", "export", "--data", &data, "--out", &export]);
    let mut empty = Gateway::start(OPEN);
    assert_eq!(empty.terminate(), Some(0));
    std::fs::remove_dir_all(empty.data().join("store")).unwrap();
    command(&["store", "import", "--data", &empty.data().display().to_string(), &export]);
    let copy = empty.reopen();
    same("imported", &tree(&Http::to(copy.http.unwrap()).get("/fhir/Observation/traps")));
}

/// Whether the statement declares this interaction, of the system or of Observation.
fn declares(http: &Http, code: &str) -> bool {
    let statement = tree(&http.get("/fhir/metadata"));
    let rest = &statement.items("rest")[0];
    let of = |holder: &Json| holder.items("interaction").iter().any(|it| it.text_at(&["code"]) == Some(code));
    let resources = rest.items("resource").iter();
    of(rest) || resources.filter(|it| it.text_at(&["type"]) == Some("Observation")).any(of)
}
