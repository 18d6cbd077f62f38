//! Every case of the consent corpus over real HTTP: seeded, asked with a token that carries actor and purposes, and
//! compared by status, entries, total and what must not be there, in answers and logs.
//!
//! The gateway runs in this process, as each case has its own time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use gateway::config::Config;
use gateway::{keys, serve};
use model::time::{Clock, Instant};
use serde_json::{Value, json};
use tests::http::{Answer, Http};

use crate::flow::Partner;

/// A clock that stands where the case says.
struct Standing(AtomicI64);

impl Standing {
    fn set(&self, at: Instant) {
        self.0.store(at.millis(), Ordering::SeqCst);
    }
}

impl Clock for Standing {
    fn now(&self) -> Instant {
        Instant::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// What the gateways of this process log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        let filter = tracing_subscriber::EnvFilter::new("debug,hyper=info,rustls=info,sled=info,h2=info");
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(move || writer.clone()).init();
        log
    })
}

/// A case with the gateway it is asked of.
struct Run<'c> {
    case: &'c Value,
    http: Http,
    clock: Arc<Standing>,
    data: &'c Path,
    partner: &'c Partner,
    administrator: Http,
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn set(value: &Value) -> BTreeSet<String> {
    texts(value).into_iter().collect()
}

fn instant(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

/// Whether a text says something: not as a part of a longer word or number, such as a random id.
fn says(text: &str, what: &str) -> bool {
    let word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    text.match_indices(what)
        .any(|(at, _)| !word(text[..at].chars().next_back()) && !word(text[at + what.len()..].chars().next()))
}

fn is_disclosure(case: &Value) -> bool {
    case["request"]["action"] == "disclose"
}

/// Types whose resources belong to a case; their ids get its name, so that cases share a gateway.
const OWN: [&str; 9] = [
    "AllergyIntolerance",
    "Composition",
    "Condition",
    "Consent",
    "Encounter",
    "MedicationRequest",
    "Observation",
    "Patient",
    "Provenance",
];

/// The case with ids of its own.
fn renamed(value: &Value, name: &str) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| renamed(item, name)).collect(),
        Value::Object(object) => {
            let is_own = object.get("resourceType").and_then(Value::as_str).is_some_and(|it| OWN.contains(&it));
            let member = |(key, value): (&String, &Value)| {
                let value = match (key.as_str(), value.as_str()) {
                    ("id", Some(id)) if is_own => json!(format!("{name}-{id}")),
                    _ => renamed(value, name),
                };
                (key.clone(), value)
            };
            Value::Object(object.iter().map(member).collect())
        }
        Value::String(text) => {
            let mut text = text.clone();
            for kind in OWN {
                let mut at = 0;
                while let Some(found) = text[at..].find(&format!("{kind}/")).map(|found| at + found) {
                    at = found + kind.len() + 1;
                    let begins = !text[..found].ends_with(|before: char| before.is_ascii_alphanumeric());
                    if begins && text[at..].starts_with(|first: char| first.is_ascii_alphanumeric()) {
                        text.insert_str(at, &format!("{name}-"));
                    }
                }
            }
            json!(text)
        }
        other => other.clone(),
    }
}

/// The rules of a case, as the configuration has them: cases with the same share a gateway.
fn rules(case: &Value) -> String {
    let config = &case["config"];
    let word = |name: &str, absent: &str| config[name].as_str().unwrap_or(absent).to_owned();
    let ttl = config["btg_ttl_minutes"].as_u64().unwrap_or(60);
    let mut custodian = texts(&case["request"]["custodian"]);
    if custodian.is_empty() {
        // None named is not known, and a deny that names a custodian then holds; the cases mean somebody else.
        custodian.push("Organization/somebody-else".to_owned());
    }
    format!(
        "[consent]\nimplicit_policy = \"{}\"\nbtg = \"{}\"\nlabelling = \"{}\"\nbtg_ttl = \"{ttl}m\"\ncustodian = {custodian:?}\n\
         btg_rate = \"1000/h\"\n",
        word("implicit_policy", "deny"),
        word("btg", "override"),
        word("labelling", "complete"),
    )
}

/// A source that forwards, and the receiver: what a case of a disclosure is about.
fn receiver(case: &Value, partner: &Partner) -> String {
    let name = case["id"].as_str().unwrap();
    let recipient = match case["interaction"]["destination"].as_str() {
        Some(destination) => vec![destination.to_owned()],
        None => texts(&case["request"]["actor"]["refs"]),
    };
    format!(
        "[[source]]\nname = \"{name}\"\ntransport = \"http\"\nformat = \"fhir-r4\"\nvalidation = \"off\"\nids = \"kept\"\n\
         destinations = [\"to-{name}\"]\n[[destination]]\nname = \"to-{name}\"\ntransport = \"fhir\"\n\
         address = \"http://{}/fhir\"\nretry = \"once\"\nrecipient = {recipient:?}\nroles = {:?}\npurpose = {:?}\n",
        partner.address,
        texts(&case["request"]["actor"]["roles"]),
        texts(&case["request"]["purposes"]),
    )
}

const SITE: &str = "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"off\"\nmllp = \"off\"\n[auth]\nmode = \"development\"\n\
    [store]\nbackend = \"memory\"\nmin_free = \"1B\"\n[ledger]\nsealing = \"off\"\n\
    [[source]]\nname = \"seed\"\ntransport = \"http\"\nformat = \"fhir-r4\"\nvalidation = \"off\"\nids = \"kept\"\n";

/// Why a case is not asked, if it is not.
fn skipped(case: &Value) -> Option<&'static str> {
    let kind = case["interaction"]["type"].as_str().unwrap();
    if kind == "export" || kind == "subscription" {
        return Some(if kind == "export" { "export" } else { "subscription" });
    }
    if case["interaction"]["path"].as_str().is_some_and(|path| path.contains("_has:")) {
        return Some("_has");
    }
    let is_btg = set(&case["request"]["purposes"]).contains("BTG");
    (is_disclosure(case) && is_btg).then_some("disclosure for break-glass, which a configuration refuses")
}

/// Asks the cases of one configuration: seeded, then declared, then asked, so that the clock only goes forward.
fn group(rules: &str, cases: &[Value], runtime: &tokio::runtime::Runtime, partner: &Partner, failed: &mut Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let receivers: String = cases.iter().filter(|case| is_disclosure(case)).map(|it| receiver(it, partner)).collect();
    let config = Config::parse(&format!("{rules}{SITE}{receivers}"), folder.path()).unwrap();
    let clock = Arc::new(Standing(AtomicI64::new(instant("2026-06-14T12:00:00Z").millis())));
    let data = folder.path().join("data");
    let running = runtime.block_on(serve::start(config, &data, clock.clone())).unwrap();
    let http = Http::to(running.http().unwrap());
    let administrator = administrator(&data, &clock, &http);
    let run = |case| Run {
        case,
        http: http.clone(),
        clock: clock.clone(),
        data: &data,
        partner,
        administrator: administrator.clone(),
    };
    let mut runs: Vec<(Run<'_>, Option<Http>)> = Vec::new();
    let mut fail =
        |case: &Value, why: String| failed.push(format!("{} ({}): {why}", case["id"], case["interaction"]["type"]));
    for case in cases {
        match run(case).seed() {
            Ok(()) => runs.push((run(case), None)),
            Err(why) => fail(case, why),
        }
    }
    // Those of one time together: their declarations, then their questions.
    let times: BTreeSet<i64> = runs.iter().map(|(run, _)| run.asked_at().millis()).collect();
    for time in times {
        let (mut now, later): (Vec<_>, Vec<_>) = runs.into_iter().partition(|(run, _)| run.asked_at().millis() == time);
        runs = later;
        now.sort_by_key(|(run, _)| run.declared_at());
        now.retain_mut(|(run, caller)| {
            clock.set(run.declared_at());
            *caller = run.caller();
            match caller.as_ref().map_or(Ok(()), |caller| run.declare(caller)) {
                Ok(()) => true,
                Err(why) => {
                    fail(run.case, why);
                    false
                }
            }
        });
        clock.set(Instant::from_millis(time));
        for (run, caller) in &now {
            let result = run.policies("active").and_then(|()| run.ask(caller.as_ref()));
            if let Err(why) = result.and(run.policies("inactive")) {
                fail(run.case, why);
            }
        }
    }
    runtime.block_on(running.stop());
}

/// A token of this moment; `None` where none is issued for such a holder.
fn token(data: &Path, clock: &Standing, request: &auth::Request) -> Option<String> {
    let key = keys::token_key(data).unwrap();
    let now = clock.now().millis().div_euclid(1000);
    let verifier = auth::Verifier::of_data_directory(&key);
    auth::issue(&key, &verifier, request, now, &ring::rand::SystemRandom::new()).ok()
}

fn administrator(data: &Path, clock: &Standing, http: &Http) -> Http {
    let request = auth::Request {
        roles: vec![auth::Role::Administrator],
        purposes: vec!["HOPERAT".to_owned()],
        actors: vec!["Practitioner/operator".to_owned()],
        ttl: std::time::Duration::from_secs(24 * 3600),
        ..auth::Request::default()
    };
    http.with(&token(data, clock, &request).unwrap())
}

impl Run<'_> {
    fn asked_at(&self) -> Instant {
        instant(self.case["request"]["time"].as_str().unwrap())
    }

    /// When break-glass was declared, else when the case is asked.
    fn declared_at(&self) -> Instant {
        self.case["request"]["btg"]["started"].as_str().map_or_else(|| self.asked_at(), instant)
    }

    fn caller(&self) -> Option<Http> {
        let actor = &self.case["request"]["actor"];
        let identifier = |it: &Value| auth::Identifier {
            system: it["system"].as_str().unwrap_or_default().to_owned(),
            value: it["value"].as_str().unwrap_or_default().to_owned(),
        };
        // The roles of the cases are wider than ours; what matters is who is a clinician and who is not.
        let is_clinician = set(&actor["roles"]).contains("clinician");
        let request = auth::Request {
            roles: vec![if is_clinician { auth::Role::Clinician } else { auth::Role::Emergency }],
            purposes: texts(&self.case["request"]["purposes"]),
            actors: texts(&actor["refs"]),
            identifiers: actor["identifiers"].as_array().into_iter().flatten().map(identifier).collect(),
            emergency_authorised: actor["emergency_authorised"] == true,
            ttl: std::time::Duration::from_secs(24 * 3600),
            ..auth::Request::default()
        };
        token(self.data, &self.clock, &request).map(|token| self.http.with(&token))
    }

    /// Puts the policies of the site in force, or out of it: they bind every case.
    fn policies(&self, status: &str) -> Result<(), String> {
        for policy in self.case["admin_policies"].as_array().into_iter().flatten() {
            let mut policy = policy.clone();
            if status != "active" {
                policy["status"] = json!(status);
            }
            let answer = self.administrator.put(&format!("/fhir/Consent/{}", policy["id"].as_str().unwrap()), &policy);
            if !matches!(answer.status, 200 | 201) {
                return Err(format!("a policy of the site is not taken: {} {}", answer.status, answer.text()));
            }
        }
        Ok(())
    }

    /// Consents and resources of the case, over HTTP; what is disclosed comes later, by the source that forwards.
    fn seed(&self) -> Result<(), String> {
        for (index, consent) in self.case["consents"].as_array().into_iter().flatten().enumerate() {
            let mut consent = consent.clone();
            if consent["id"].is_null() {
                consent["id"] = json!(format!("consent-{index}"));
            }
            let answer = self.ingest("seed", std::slice::from_ref(&consent));
            if !matches!(answer.status, 200 | 201) {
                return Err(format!("a consent is not taken: {} {}", answer.status, answer.text()));
            }
        }
        if !is_disclosure(self.case) {
            let mut resources = self.case["resources"].as_array().cloned().unwrap_or_default();
            if let Some(id) = self.case["interaction"]["patient"].as_str().and_then(|it| it.strip_prefix("Patient/"))
                && !resources.iter().any(|it| it["resourceType"] == "Patient" && it["id"] == id)
            {
                resources.push(json!({"resourceType": "Patient", "id": id}));
            }
            let answer = self.ingest("seed", &resources);
            if !matches!(answer.status, 200 | 201) {
                return Err(format!("the resources are not taken: {} {}", answer.status, answer.text()));
            }
        }
        Ok(())
    }

    fn ingest(&self, source: &str, resources: &[Value]) -> Answer {
        let entries: Vec<Value> = resources.iter().map(|resource| json!({"resource": resource})).collect();
        let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": entries});
        self.administrator.post(&format!("/ingest/{source}"), &bundle)
    }

    fn ask(&self, caller: Option<&Http>) -> Result<(), String> {
        if is_disclosure(self.case) {
            return self.disclosed();
        }
        let Some(caller) = caller else {
            // Nobody comes in without an actor and a purpose, and so nothing leaves.
            let released = set(&self.case["expect"]["released"]);
            return if released.is_empty() { Ok(()) } else { Err("no token is issued".to_owned()) };
        };
        let patient = self.case["interaction"]["patient"].as_str().unwrap_or_default();
        let path = self.case["interaction"]["path"].as_str();
        let candidates = texts(&self.case["interaction"]["candidates"]);
        match self.case["interaction"]["type"].as_str().unwrap() {
            "read" => {
                let path = path.unwrap();
                self.read(&caller.get(&format!("/fhir/{path}")))?;
                // The same resource by the other ways that lead to it.
                self.read(&caller.get(&format!("/fhir/{path}/_history/1")))?;
                self.entries(&caller.get(&format!("/fhir/{path}/_history")), &candidates, true)?;
                let (kind, id) = path.split_once('/').unwrap();
                let found = caller.get(&format!("/fhir/{kind}?_id={id}"));
                self.total(&found)?;
                self.entries(&found, &candidates, true)?;
                self.everything(caller, patient, &candidates)
            }
            "search" => {
                let answers = self.searched(caller, path, patient, &candidates)?;
                let mut seen = BTreeSet::new();
                for answer in &answers {
                    self.status(answer)?;
                    self.total(answer)?;
                    self.silent(answer)?;
                    seen.extend(references(&answer.json()));
                }
                self.as_expected(&seen, &candidates, true)?;
                self.everything(caller, patient, &candidates)
            }
            "summary" => {
                self.entries(&caller.get(&format!("/fhir/{patient}/$summary")), &candidates, true)?;
                self.everything(caller, patient, &candidates)
            }
            "document" => {
                // A generated summary has a Composition of its own; the stored one is a document by itself.
                let composition = candidates.iter().find(|it| it.starts_with("Composition/")).unwrap();
                let answer = caller.get(&format!("/fhir/{composition}/$document"));
                self.entries(&answer, &candidates, true)?;
                let rest: Vec<String> = candidates.iter().filter(|it| *it != composition).cloned().collect();
                self.entries(&caller.get(&format!("/fhir/{patient}/$summary")), &rest, true)?;
                self.silent(&caller.get(&format!("/fhir/{composition}")))?;
                self.stored_document(caller, &candidates)
            }
            other => Err(format!("an interaction that is not known: {other}")),
        }
    }

    fn declare(&self, caller: &Http) -> Result<(), String> {
        let declaration = &self.case["request"]["btg"];
        if declaration["declared"] != true || is_disclosure(self.case) {
            return Ok(());
        }
        let actor = &self.case["request"]["actor"];
        let reason = declaration["reason"].as_str().unwrap_or_default();
        let body = json!({"patient": self.case["interaction"]["patient"], "reason": reason});
        let answer = caller.post("/emergency/declare", &body);
        let valid = actor["emergency_authorised"] == true
            && self.case["config"]["btg"] != "off"
            && set(&self.case["request"]["purposes"]) == BTreeSet::from(["BTG".to_owned()])
            && reason.trim().chars().count() >= 10;
        match (valid, answer.status) {
            (true, 201) | (false, 400 | 403 | 422) => Ok(()),
            (_, status) => Err(format!("declaration: valid {valid}, answered {status} {}", answer.text())),
        }
    }

    /// Forwarded by a source to the receiver of the case.
    fn disclosed(&self) -> Result<(), String> {
        let before = self.partner.taken().len();
        let resources = self.case["resources"].as_array().cloned().unwrap_or_default();
        let answer = self.ingest(self.case["id"].as_str().unwrap(), &resources);
        if answer.status != 201 {
            return Err(format!("the message is not taken: {} {}", answer.status, answer.text()));
        }
        let exchange = answer.header("location").unwrap().to_owned();
        let administrator = &self.administrator;
        tests::process::wait_until("the delivery is decided", || {
            let state = administrator.get(&exchange).json()["state"].as_str().unwrap_or_default().to_owned();
            !matches!(state.as_str(), "accepted" | "stored" | "delivering")
        });
        let sent = self.partner.taken().split_off(before).join("\n");
        let shown = administrator.get(&exchange);
        self.silent(&shown)?;
        self.silent_text("what was forwarded", &sent)?;
        let bundle: Value = serde_json::from_str(&sent).unwrap_or(Value::Null);
        let candidates = texts(&self.case["interaction"]["candidates"]);
        self.as_expected(&references(&bundle), &candidates, true)
    }

    fn searched(
        &self,
        caller: &Http,
        path: Option<&str>,
        patient: &str,
        candidates: &[String],
    ) -> Result<Vec<Answer>, String> {
        if let Some(path) = path {
            return Ok(vec![caller.get(&format!("/fhir/{path}"))]);
        }
        let kinds: BTreeSet<&str> = candidates.iter().map(|it| it.split('/').next().unwrap()).collect();
        let mut answers = Vec::new();
        for kind in kinds {
            let address = format!("/fhir/{kind}?patient={patient}");
            let whole = caller.get(&address);
            // The same by pages of one, and counted.
            let mut seen = BTreeSet::new();
            let mut next = Some(format!("{address}&_count=1&_total=accurate"));
            while let Some(page) = next {
                let answer = caller.get(&page);
                seen.extend(references(&answer.json()));
                next = answer.json()["link"].as_array().into_iter().flatten().find_map(|link| {
                    let url = link["url"].as_str().filter(|_| link["relation"] == "next")?;
                    url.find("/fhir/").map(|at| url[at..].to_owned())
                });
                if answer.json()["total"] != whole.json()["total"] {
                    return Err("a page has another total than the whole".to_owned());
                }
                answers.push(answer);
            }
            if seen != references(&whole.json()) {
                return Err(format!("pages show {seen:?}, one page {:?}", references(&whole.json())));
            }
            let count = caller.get(&format!("{address}&_summary=count")).json();
            if count["total"] != json!(seen.len()) || !count["entry"].is_null() {
                return Err(format!("counted {count}, seen {}", seen.len()));
            }
            answers.push(whole);
        }
        Ok(answers)
    }

    /// `$everything`: nothing that is withheld, and what is released where the Patient may be read.
    fn everything(&self, caller: &Http, patient: &str, candidates: &[String]) -> Result<(), String> {
        let mut answer = caller.get(&format!("/fhir/{patient}/$everything"));
        // A Consent that may be read names the codes it is about; what is looked for here are the resources.
        let mut bundle = answer.json();
        if let Some(entries) = bundle["entry"].as_array_mut() {
            entries.retain(|entry| entry["resource"]["resourceType"] != "Consent");
            answer.body = bundle.to_string().into_bytes();
        }
        self.entries(&answer, candidates, false)
    }

    /// The case as one stored document Bundle.
    fn stored_document(&self, caller: &Http, candidates: &[String]) -> Result<(), String> {
        let resources = self.case["resources"].as_array().cloned().unwrap_or_default();
        let entries: Vec<Value> = resources
            .iter()
            .map(|it| json!({"fullUrl": format!("urn:uuid:{}", it["id"].as_str().unwrap()), "resource": it}))
            .collect();
        let id = format!("{}-stored", self.case["id"].as_str().unwrap());
        let bundle = json!({"resourceType": "Bundle", "id": id, "type": "document", "entry": entries});
        if self.administrator.put(&format!("/fhir/Bundle/{id}"), &bundle).status != 201 {
            // The cases are not whole resources; a document of such is not taken by this way.
            return Ok(());
        }
        self.entries(&caller.get(&format!("/fhir/Bundle/{id}")), candidates, true)
    }

    fn read(&self, answer: &Answer) -> Result<(), String> {
        self.status(answer)?;
        self.silent(answer)?;
        let released = !set(&self.case["expect"]["released"]).is_empty();
        if released != (answer.status == 200) {
            return Err(format!("status {}, released {released}", answer.status));
        }
        if answer.status == 200 {
            let text = answer.text();
            for text_in in texts(&self.case["expect"]["must_contain"]) {
                if !text.contains(&text_in) {
                    return Err(format!("'{text_in}' is missing"));
                }
            }
        }
        Ok(())
    }

    fn status(&self, answer: &Answer) -> Result<(), String> {
        match self.case["expect"]["http_status"].as_u64() {
            Some(status) if status != u64::from(answer.status) => {
                Err(format!("status {} where {status} was expected: {}", answer.status, answer.text()))
            }
            _ => Ok(()),
        }
    }

    /// A total counts the matches that are there, or is not there.
    fn total(&self, answer: &Answer) -> Result<(), String> {
        let bundle = answer.json();
        let matches = bundle["entry"].as_array().into_iter().flatten().filter(|it| it["search"]["mode"] == "match");
        let paged =
            bundle["link"].as_array().into_iter().flatten().any(|it| it["url"].to_string().contains("_count=1"));
        match bundle["total"].as_u64() {
            Some(total) if !paged && total != matches.count() as u64 => Err(format!("total {total}")),
            _ => Ok(()),
        }
    }

    fn entries(&self, answer: &Answer, candidates: &[String], all: bool) -> Result<(), String> {
        self.silent(answer)?;
        if !matches!(answer.status, 200 | 404) {
            return Err(format!("status {}: {}", answer.status, answer.text()));
        }
        self.as_expected(&references(&answer.json()), candidates, all)
    }

    /// Of the candidates exactly what is released is there; without `all` no more than that.
    fn as_expected(&self, seen: &BTreeSet<String>, candidates: &[String], all: bool) -> Result<(), String> {
        let candidates: BTreeSet<String> = candidates.iter().cloned().collect();
        let released: BTreeSet<String> =
            set(&self.case["expect"]["released"]).intersection(&candidates).cloned().collect();
        let seen: BTreeSet<String> = seen.intersection(&candidates).cloned().collect();
        let leaked: Vec<&String> = seen.difference(&released).collect();
        if !leaked.is_empty() {
            return Err(format!("LEAK of {leaked:?}"));
        }
        if all && seen != released { Err(format!("released {released:?}, seen {seen:?}")) } else { Ok(()) }
    }

    /// Nothing of what must not be there, in body and headers.
    fn silent(&self, answer: &Answer) -> Result<(), String> {
        let told = |(name, value): &(String, String)| format!("{name}: {value}\n");
        let random = ["x-request-id", "exchange", "date", "ledger-exchange", "etag", "last-modified", "content-length"];
        let headers: String =
            answer.headers.iter().filter(|(name, _)| !random.contains(&name.as_str())).map(told).collect();
        self.silent_text("the answer", &format!("{headers}\n{}", answer.text()))
    }

    fn silent_text(&self, place: &str, text: &str) -> Result<(), String> {
        // A search that asks for it repeats the question, not an answer.
        match texts(&self.case["expect"]["must_not_contain"]).into_iter().find(|it| says(text, it)) {
            Some(found) => Err(format!("LEAK into {place}: '{found}' in {text}")),
            None => Ok(()),
        }
    }
}

/// `Type/id` of every entry of a Bundle.
fn references(bundle: &Value) -> BTreeSet<String> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    entries
        .filter_map(|entry| {
            let resource = &entry["resource"];
            Some(format!("{}/{}", resource["resourceType"].as_str()?, resource["id"].as_str()?))
        })
        .collect()
}

#[test]
fn every_case_of_the_consent_corpus_holds_over_http() {
    let Some(corpus) = tests::corpus("every_case_of_the_consent_corpus_holds_over_http") else { return };
    log();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let partner = Partner::fhir();
    let (mut asked, mut failed) = (0, Vec::new());
    let mut left_out: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for file in ["decision-cases.json", "generated-cases.json"] {
        let text = std::fs::read(corpus.join("consent").join(file)).unwrap();
        let suite: Value = serde_json::from_slice(&text).unwrap();
        for case in suite["cases"].as_array().unwrap() {
            let id = case["id"].as_str().unwrap();
            match skipped(case) {
                Some(why) => left_out.entry(why).or_default().push(id.to_owned()),
                None => {
                    asked += 1;
                    let mut own = renamed(case, id);
                    own["id"] = json!(id);
                    groups.entry(rules(case)).or_default().push(own);
                }
            }
        }
    }
    let mut secrets = BTreeSet::new();
    for (rules, cases) in &groups {
        group(rules, cases, &runtime, &partner, &mut failed);
        secrets.extend(cases.iter().flat_map(|case| texts(&case["expect"]["must_not_contain"])));
    }
    let logged = String::from_utf8_lossy(&log().0.lock().unwrap()).into_owned();
    assert!(logged.contains("/fhir/{type}/{id}"), "the log is read");
    // A port or a time may be the same few digits as a code.
    let telling = |text: &&String| text.len() > 6 || !text.bytes().all(|b| b.is_ascii_digit());
    failed.extend(
        secrets
            .iter()
            .filter(telling)
            .filter(|text| says(&logged, text))
            .map(|text| format!("LEAK into the log: {text}")),
    );
    for (why, cases) in &left_out {
        eprintln!("skipped: {why}: {}", cases.join(", "));
    }
    let leaks = failed.iter().filter(|text| text.contains("LEAK")).count();
    eprintln!("{asked} cases asked in {} gateways, {} findings, {leaks} of them leaks", groups.len(), failed.len());
    assert!(asked > 0 && failed.is_empty(), "{}", failed.join("\n"));
}
