use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use formats::hl7v2::AckCode;
use model::time::{FixedClock, Instant};
use store::{ExchangeState, Exchanges, Resources, Search};

use super::*;
use crate::config::Config;
use crate::keys::DataDirectory;

const CONFIG: &str = r#"
[store]
backend = "memory"
min_free = "1B"

[[source]]
name = "ward"
transport = "mllp"
format = "hl7v2"
destinations = ["clinic"]

[[source]]
name = "kept"
transport = "http"
format = "fhir-r4"
ids = "kept"

[[source]]
name = "other"
transport = "http"
format = "fhir-r4"
ids = "kept"

[[source]]
name = "scoped"
transport = "http"
format = "fhir-r4"
ids = "scoped"

[[source]]
name = "older"
transport = "http"
format = "fhir-stu3"
ids = "kept"

[[source]]
name = "letters"
transport = "http"
format = "device"

[[source]]
name = "practice"
transport = "http"
format = "ccda"
destinations = ["clinic"]

[[source]]
name = "neighbour"
transport = "http"
format = "ccda"

[[destination]]
name = "clinic"
transport = "mllp"
address = "127.0.0.1:1"
recipient = ["Organization/clinic"]
"#;

const ADMISSION: &str = "MSH|^~\\&|ADT|NORTH|A|B|20260301101500+0100||ADT^A01^ADT_A01|C1|P|2.5.1\r\
    EVN|A01|20260301101500+0100\rPID|1||4711^^^NORTH^MR||DOE^JANE||19700101|F\rPV1|1|I|W^1^A\r";

struct Site {
    app: App,
    _folder: tempfile::TempDir,
}

fn site() -> Site {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDirectory::open(folder.path()).unwrap();
    let config = Config::parse(CONFIG, Path::new(".")).unwrap();
    let clock = Arc::new(FixedClock(Instant::parse("2026-03-01T09:20:00Z").unwrap()));
    Site { app: App::open(config, data, clock).unwrap().0, _folder: folder }
}

impl Site {
    fn inbound(&self, source: &str, raw: &str) -> Inbound {
        Inbound {
            source: source.to_owned(),
            transport: Transport::Mllp,
            received_at: self.app.clock.now(),
            raw: Bytes::from(raw.to_owned()),
            content_type: None,
        }
    }

    async fn receive(&self, source: &str, raw: &str) -> Result<Answer, Refusal> {
        receive(&self.app, self.inbound(source, raw)).await
    }

    fn state(&self, id: &ExchangeId) -> ExchangeState {
        self.app.store.exchange(id).unwrap().unwrap().state
    }

    fn count(&self, kind: &str) -> usize {
        let search = Search { types: vec![kind.to_owned()], ..Search::default() };
        self.app.store.search(&search, 1000).unwrap().entries.len()
    }
}

#[tokio::test]
async fn a_message_becomes_resources_an_exchange_a_delivery_and_a_record_at_once() {
    let site = site();
    let answer = site.receive("ward", ADMISSION).await.unwrap();
    let outcome = answer.outcome();
    assert!(matches!(answer, Answer::New(_)));
    assert_eq!((outcome.state, outcome.ledger_index), (ExchangeState::Delivering, Some(0)));
    let exchange = site.app.store.exchange(&outcome.exchange).unwrap().unwrap();
    assert_eq!(exchange.message_control_id.as_deref(), Some("C1"));
    assert_eq!(exchange.deliveries.len(), 1);
    assert!(exchange.patient.is_some());
    assert_eq!((site.count("Patient"), site.count("Provenance"), site.count("AuditEvent")), (1, 1, 1));
    assert_eq!(site.app.store.raw(&outcome.exchange).unwrap().unwrap(), ADMISSION.as_bytes());
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_changes_nothing() {
    let site = site();
    let first = site.receive("ward", ADMISSION).await.unwrap();
    let again = site.receive("ward", ADMISSION).await.unwrap();
    assert!(matches!(again, Answer::Repeat(_)));
    assert_eq!(again.outcome().exchange, first.outcome().exchange);
    assert_eq!(again.outcome().ledger_index, Some(0));
    assert_eq!(store::LedgerQueue::ledger_size(&site.app.store), 1);
}

#[tokio::test]
async fn equal_messages_at_the_same_time_are_one_and_its_repeats() {
    let site = site();
    let all = futures(&site, 8).await;
    let new = all.iter().filter(|answer| matches!(answer, Answer::New(_))).count();
    assert_eq!((new, site.count("AuditEvent")), (1, 1));
}

async fn futures(site: &Site, count: usize) -> Vec<Answer> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (app, inbound) = (site.app.clone(), site.inbound("ward", ADMISSION));
        tasks.spawn(async move { receive(&app, inbound).await.unwrap() });
    }
    tasks.join_all().await
}

#[tokio::test]
async fn the_same_control_id_with_other_bytes_is_new_and_says_so() {
    let site = site();
    let first = site.receive("ward", ADMISSION).await.unwrap();
    let other = site.receive("ward", &ADMISSION.replace("JANE", "JOAN")).await.unwrap();
    assert_ne!(first.outcome().exchange, other.outcome().exchange);
    assert!(other.outcome().issues.iter().any(|issue| issue.rule.as_deref() == Some("duplicate-control-id")));
}

#[track_caller]
fn check(refusal: &Refusal, cause: Cause, ack: AckCode, status: u16, at: Option<&str>) {
    assert_eq!((refusal.cause(), refusal.cause().ack(), refusal.status()), (cause, ack, status));
    let place = refusal.issues().iter().find(|issue| issue.is_error()).and_then(|issue| issue.at.as_deref());
    assert_eq!(place, at);
}

#[tokio::test]
async fn what_is_not_taken_is_kept_with_its_reason() {
    use AckCode::{ApplicationError as AE, ApplicationReject as AR};
    let site = site();
    let cases = [
        ("ward", "Dear colleague".to_owned(), Cause::Unreadable, AR, 400, Some("MSH")),
        ("ward", ADMISSION.replace("ADT^A01^ADT_A01", ""), Cause::Unreadable, AR, 400, Some("MSH-9")),
        ("ward", ADMISSION.replace("|C1|", "||"), Cause::Unreadable, AR, 400, Some("MSH-10")),
        ("ward", ADMISSION.replace("ADT^A01^ADT_A01", "ZZZ^Z99"), Cause::UnknownType, AR, 422, Some("MSH-9")),
        ("nobody", ADMISSION.to_owned(), Cause::UnknownSource, AR, 404, Some("MSH-3")),
        ("ward", ADMISSION.replace("4711^^^NORTH^MR", ""), Cause::Held, AE, 422, Some("PID-3")),
        ("ward", ADMISSION.replace("|^~\\&|", "|&&&&|"), Cause::Held, AE, 422, Some("MSH-2")),
        ("ward", format!("{ADMISSION}DSC|P1|F\r"), Cause::Held, AE, 422, Some("DSC-1")),
    ];
    for (source, raw, cause, ack, status, at) in cases {
        let refusal = site.receive(source, &raw).await.unwrap_err();
        check(&refusal, cause, ack, status, at);
        let id = refusal.exchange().unwrap();
        let expected = if cause == Cause::Held { ExchangeState::Held } else { ExchangeState::Refused };
        assert_eq!(site.state(&id), expected);
        assert_eq!(site.app.store.raw(&id).unwrap().unwrap(), raw.as_bytes());
        let exchange = site.app.store.exchange(&id).unwrap().unwrap();
        assert_eq!((exchange.ledger.len(), exchange.issues.is_empty()), (1, false));
    }
    assert_eq!(site.count("Patient"), 0);
}

#[tokio::test]
async fn a_repeat_of_something_held_is_answered_alike() {
    let site = site();
    let raw = ADMISSION.replace("4711^^^NORTH^MR", "");
    let first = site.receive("ward", &raw).await.unwrap_err();
    let again = site.receive("ward", &raw).await.unwrap_err();
    assert_eq!((first.cause(), first.exchange()), (again.cause(), again.exchange()));
    assert!(!again.issues().is_empty());
}

#[tokio::test]
async fn formats_of_later_releases_are_named() {
    let site = site();
    let refusal = site.receive("letters", "<ClinicalDocument/>").await.unwrap_err();
    assert_eq!(refusal.status(), 415);
    assert!(refusal.issues()[0].diagnostics.contains("device"));
}

#[tokio::test]
async fn accepting_makes_the_bytes_durable_and_a_restart_does_the_rest() {
    let site = site();
    let Accepted::New(arrived) = accept(&site.app, site.inbound("ward", ADMISSION)).await.unwrap() else {
        panic!("new")
    };
    let id = arrived.exchange();
    assert_eq!((site.state(&id), site.count("Patient")), (ExchangeState::Accepted, 0));
    assert_eq!(resume(&site.app).await.unwrap(), 1);
    assert_eq!((site.state(&id), site.count("Patient")), (ExchangeState::Delivering, 1));
    assert_eq!(resume(&site.app).await.unwrap(), 0);
    // The one that accepted it comes too late; nothing happens twice.
    assert_eq!(process(&site.app, *arrived).await.unwrap_err().cause(), Cause::Conflict);
}

#[tokio::test]
async fn a_batch_is_an_exchange_for_each_message() {
    let site = site();
    let second = ADMISSION.replace("|C1|", "|C2|").replace("4711", "4712");
    let answer =
        site.receive("ward", &format!("FHS|^~\\&|A\rBHS|^~\\&|A\r{ADMISSION}{second}BTS|2\rFTS|1\r")).await.unwrap();
    assert_eq!(answer.outcome().parts.len(), 2);
    assert_eq!(site.count("Patient"), 2);
    let bad = ADMISSION.replace("|C1|", "|C3|").replace("ADT^A01^ADT_A01", "ZZZ^Z99");
    let third = ADMISSION.replace("|C1|", "|C4|").replace("4711", "4713");
    let refusal = site.receive("ward", &format!("{bad}{third}")).await.unwrap_err();
    assert!(refusal.issues()[0].diagnostics.starts_with("message 1: "));
    assert_eq!(site.count("Patient"), 3, "the good one is stored");
}

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","gender":"female"}"#;

#[tokio::test]
async fn kept_ids_stay_with_the_source_that_has_them() {
    let site = site();
    site.receive("kept", PATIENT).await.unwrap();
    assert!(site.app.store.read("Patient", "p1").unwrap().is_some());
    site.receive("kept", &PATIENT.replace("female", "male")).await.unwrap();
    let bundle = format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{PATIENT}}}]}}"#);
    let refusal = site.receive("other", &bundle).await.unwrap_err();
    assert_eq!((refusal.status(), refusal.issues()[0].at.as_deref()), (409, Some("Bundle.entry[0]")));
}

#[tokio::test]
async fn fhir_of_another_version_is_stored_as_r4() {
    let site = site();
    let bundle = r#"{"resourceType":"Bundle","type":"collection","entry":[
        {"resource":{"resourceType":"Patient","id":"old"}},
        {"resource":{"resourceType":"ProcedureRequest","id":"old","status":"active","intent":"order","code":{"text":"x-ray"},
          "subject":{"reference":"Patient/old"},"requester":{"agent":{"reference":"Practitioner/d"}}}}]}"#;
    site.receive("older", bundle).await.unwrap();
    let stored = site.app.store.read("ServiceRequest", "old").unwrap().unwrap();
    let text = String::from_utf8(stored.body.to_vec()).unwrap();
    assert!(text.contains(r#""requester":{"reference":"Practitioner/d"}"#), "{text}");
}

#[tokio::test]
async fn the_exchange_of_another_version_says_what_was_kept_and_dropped() {
    let site = site();
    let bundle = r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"pet",
        "animal":{"species":{"text":"dog"}}}}]}"#;
    let answer = site.receive("older", bundle).await.unwrap();
    let exchange = site.app.store.exchange(&answer.outcome().exchange).unwrap().unwrap();
    let detail = model::json::parse(exchange.detail.unwrap().as_bytes(), &model::json::Limits::default()).unwrap();
    let count =
        |name: &str| detail.at(&["loss", name]).map(model::json::Json::to_text).unwrap().parse::<u64>().unwrap();
    assert_eq!(count("mapped") + count("kept") + count("dropped"), count("total"), "{detail}");
    assert!(count("total") >= 5 && count("kept") + count("dropped") > 0, "{detail}");
    assert_eq!(detail.text_at(&["package", "name"]), Some("fhir-stu3"));
    assert_eq!(detail.text_at(&["package", "digest"]).map(str::len), Some(64));
    let places = detail.items("unmapped").iter().filter_map(|place| place.text_at(&["0"])).collect::<Vec<_>>();
    assert!(places.iter().any(|place| place.starts_with("Patient.animal")), "{detail}");
    let as_it_stands = site.receive("kept", PATIENT).await.unwrap();
    assert_eq!(site.app.store.exchange(&as_it_stands.outcome().exchange).unwrap().unwrap().detail, None);
}

/// A version of a letter without structure.
fn version(id: &str, set: &str, city: &str) -> String {
    let file = model::json::Json::from(city).to_text().len();
    format!(
        "<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><id root=\"2.999.1\" extension=\"{id}\"/><code code=\"34133-9\" \
         codeSystem=\"2.16.840.1.113883.6.1\"/><title>Letter</title><effectiveTime value=\"20250101\"/>{set}\
         <recordTarget><patientRole><id root=\"2.999.2\" extension=\"P\"/><addr><city>{city}</city></addr></patientRole></recordTarget>\
         <component><nonXMLBody><text mediaType=\"text/plain\">{city} {file}</text></nonXMLBody></component></ClinicalDocument>"
    )
}

fn numbered(number: u32) -> String {
    format!("<setId root=\"2.999.1\" extension=\"S\"/><versionNumber value=\"{number}\"/>")
}

impl Site {
    /// The stored resources of a type, as text.
    fn texts(&self, kind: &str) -> Vec<String> {
        let search = Search { types: vec![kind.to_owned()], ..Search::default() };
        let found = self.app.store.search(&search, 1000).unwrap().entries;
        found.iter().map(|stored| String::from_utf8(stored.body.to_vec()).unwrap()).collect()
    }

    async fn letter(&self, source: &str, text: &str) -> Outcome {
        self.receive(source, text).await.unwrap().outcome().clone()
    }
}

#[tokio::test]
async fn a_newer_version_of_a_document_replaces_the_earlier_one() {
    let site = site();
    site.letter("practice", &version("L1", &numbered(1), "Elm")).await;
    let next = site.letter("practice", &version("L2", &numbered(2), "Oak")).await;
    assert!(!next.issues.iter().any(|issue| issue.rule.as_deref() == Some(supersede::RULE)));
    assert!(site.texts("Patient").concat().contains("Oak"));
    let compositions = site.texts("Composition");
    assert_eq!(compositions.len(), 2, "both versions are there to be read");
    let replacing: Vec<_> = compositions.iter().filter(|text| text.contains("\"replaces\"")).collect();
    assert!(
        replacing.len() == 1 && replacing[0].contains("\"L2\"") && replacing[0].contains("Composition/"),
        "{replacing:?}"
    );
    let files = site.texts("DocumentReference");
    let of = |status: &str| files.iter().filter(|text| text.contains(&format!("\"status\":\"{status}\""))).count();
    assert_eq!((of("current"), of("superseded")), (1, 1), "{files:?}");
    assert!(files.iter().any(|text| text.contains("\"replaces\"") && text.contains("\"current\"")), "{files:?}");
}

#[tokio::test]
async fn an_earlier_version_that_arrives_late_replaces_nothing() {
    let site = site();
    site.letter("practice", &version("L2", &numbered(2), "Oak")).await;
    let before = site.count("Composition") + site.count("DocumentReference") + site.count("Provenance");
    let late = site.letter("practice", &version("L1", &numbered(1), "Elm")).await;
    assert!(late.issues.iter().any(|issue| issue.rule.as_deref() == Some(supersede::RULE)), "{:?}", late.issues);
    assert_eq!(late.state, ExchangeState::Stored, "there is nothing to deliver");
    let exchange = site.app.store.exchange(&late.exchange).unwrap().unwrap();
    assert!(exchange.deliveries.is_empty() && site.app.store.raw(&late.exchange).unwrap().is_some());
    assert!(site.texts("Patient").concat().contains("Oak"));
    assert_eq!(site.count("Composition") + site.count("DocumentReference") + site.count("Provenance"), before);

    // The same id with a lower number, too; and a document that another names as the one it replaces.
    site.letter("practice", &version("L2", &numbered(1), "Ash")).await;
    assert!(site.texts("Patient").concat().contains("Oak"));
    let replaces = "<relatedDocument typeCode=\"RPLC\"><parentDocument><id root=\"2.999.1\" extension=\"N1\"/></parentDocument></relatedDocument>";
    let newer = version("N2", "", "Fir").replace("<component>", &format!("{replaces}<component>"));
    site.letter("practice", &newer).await;
    let late = site.letter("practice", &version("N1", "", "Yew")).await;
    assert!(late.issues.iter().any(|issue| issue.rule.as_deref() == Some(supersede::RULE)));
    assert!(site.texts("Patient").concat().contains("Fir"));
}

#[tokio::test]
async fn documents_of_other_sources_and_other_sets_replace_nothing() {
    let site = site();
    site.letter("practice", &version("L2", &numbered(2), "Oak")).await;
    let other = site.letter("neighbour", &version("L1", &numbered(1), "Elm")).await;
    assert!(!other.issues.iter().any(|issue| issue.rule.as_deref() == Some(supersede::RULE)));
    let set = numbered(1).replace("\"S\"", "\"T\"");
    let own = site.letter("practice", &version("M1", &set, "Ash")).await;
    assert!(!own.issues.iter().any(|issue| issue.rule.as_deref() == Some(supersede::RULE)));
    assert_eq!(site.texts("Composition").iter().filter(|text| text.contains("\"replaces\"")).count(), 0);
}

#[tokio::test]
async fn scoped_ids_are_the_sources_own_and_references_follow() {
    let site = site();
    let bundle = r#"{"resourceType":"Bundle","type":"transaction","entry":[
        {"fullUrl":"urn:uuid:5b1c4f1e-6d5a-4c35-9d3f-0a3a4a4d2f11","resource":{"resourceType":"Patient","id":"p1"}},
        {"resource":{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"x"},
          "subject":{"reference":"urn:uuid:5b1c4f1e-6d5a-4c35-9d3f-0a3a4a4d2f11"},"performer":[{"reference":"Patient/p1"}]}}]}"#;
    let answer = site.receive("scoped", bundle).await.unwrap();
    let exchange = site.app.store.exchange(&answer.outcome().exchange).unwrap().unwrap();
    let patient = exchange.patient.unwrap();
    assert_ne!(patient, "p1");
    let observation = exchange.resources.iter().find(|it| it.resource_type == "Observation").unwrap();
    let text = site.app.store.read("Observation", &observation.id).unwrap().unwrap();
    let text = String::from_utf8(text.body.to_vec()).unwrap();
    assert_eq!(text.matches(&format!("Patient/{patient}")).count(), 2, "{text}");
    assert!(text.contains("Observation/o1"), "the old id stays as an identifier");
}

#[tokio::test]
async fn invalid_fhir_is_held() {
    let site = site();
    let refusal = site.receive("kept", &PATIENT.replace("\"female\"", "7")).await.unwrap_err();
    assert_eq!(refusal.cause(), Cause::Held);
    assert_eq!(site.receive("kept", "{\"resourceType\":").await.unwrap_err().cause(), Cause::Unreadable);
    assert_eq!(site.count("Patient"), 0);
}

#[tokio::test]
async fn held_messages_are_replayed_under_their_id() {
    let site = site();
    let refusal = site.receive("kept", &PATIENT.replace("\"female\"", "7")).await.unwrap_err();
    let id = refusal.exchange().unwrap();
    replay(&site.app, &id).await.unwrap();
    assert_eq!(site.state(&id), ExchangeState::Held, "nothing was mended");
    let unknown = ExchangeId::from_random([9; 16]);
    assert_eq!(replay(&site.app, &unknown).await.unwrap_err().cause(), Cause::NotFound);
}
