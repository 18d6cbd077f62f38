//! Decision cases: consents, resources and a request in one JSON file, with the answer that is expected.
//!
//! The form is that of `anchorline consent decide`; `docs/consent.md` shows an example.

use std::time::Duration;

use model::id::Identifier;
use model::json::{Json, Object};
use model::time::Instant;
use smol_str::{SmolStr, format_smolstr};

use crate::decide::{Effect, decide};
use crate::facts::{Links, ResourceFacts};
use crate::filter::{Candidate, Context, Released, release_all};
use crate::label::SensitivityMap;
use crate::policy::Policies;
use crate::request::{AccessRequest, Action, Actor, Btg, Interaction, Purpose};
use crate::settings::{BasePolicy, BtgMode, ImplicitPolicy, Inheritance, LabelCover, Labelling, Purposes, Settings};

/// The file is not a file of cases; names the case and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: expected {expected}")]
pub struct CasesError {
    at: String,
    expected: String,
}

/// Cases, read and compiled.
#[derive(Clone, Debug)]
pub struct Suite {
    cases: Vec<Case>,
    map: SensitivityMap,
}

#[derive(Clone, Debug)]
struct Case {
    id: SmolStr,
    topic: SmolStr,
    policies: Policies,
    request: AccessRequest,
    settings: Settings,
    now: Instant,
    resources: Vec<(SmolStr, Json)>,
    candidates: Vec<SmolStr>,
    selected_by: Vec<(SmolStr, Vec<SmolStr>)>,
    facts: Vec<ResourceFacts>,
    expect: Option<Json>,
}

/// The answer to one case.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseResult {
    /// The id of the case.
    pub id: SmolStr,
    /// Its topic.
    pub topic: SmolStr,
    /// Whether it is as expected; `None` if nothing was expected.
    pub pass: Option<bool>,
    /// The answer as one JSON object, `pass` included.
    pub json: Json,
}

/// Runs the cases of a file once. See [`Suite`] for running them often.
///
/// # Errors
/// If the file is not of the form of decision cases.
pub fn run(json: &Json) -> Result<Vec<CaseResult>, CasesError> {
    Ok(Suite::read(json)?.run())
}

impl Suite {
    /// Reads and compiles the cases of a file.
    ///
    /// # Errors
    /// If the file is not of the form of decision cases.
    pub fn read(json: &Json) -> Result<Self, CasesError> {
        let fail = |expected: &str| CasesError { at: "file".to_owned(), expected: expected.to_owned() };
        if json.get("schema_version").and_then(Json::as_number).and_then(|it| it.as_u64()) != Some(1) {
            return Err(fail("schema_version 1"));
        }
        let cases = json.get("cases").and_then(Json::as_array).ok_or_else(|| fail("an array of cases"))?;
        let map = SensitivityMap::embedded();
        let read = |(index, case): (usize, &Json)| {
            let id = case.get("id").and_then(Json::as_str);
            let at = id.map_or_else(|| format!("case {}", index.saturating_add(1)), |id| format!("case {id}"));
            Case::read(case, &map).map_err(|expected| CasesError { at, expected })
        };
        let cases = cases.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self { cases, map })
    }

    /// Answers every case.
    pub fn run(&self) -> Vec<CaseResult> {
        self.cases.iter().map(|case| case.run(&self.map)).collect()
    }

    /// Decides every candidate of every case this many times; returns how many of the decisions were permits.
    pub fn repeat(&self, times: usize) -> u64 {
        let mut permits = 0_u64;
        for _ in 0..times {
            for case in &self.cases {
                for facts in &case.facts {
                    let decision = decide(&case.policies, &case.request, facts, &case.settings, case.now);
                    permits = permits.saturating_add(u64::from(decision.is_permit()));
                }
            }
        }
        permits
    }

    /// How many decisions one round takes.
    pub fn decisions(&self) -> usize {
        self.cases.iter().map(|case| case.facts.len()).sum()
    }
}

impl Case {
    fn read(json: &Json, map: &SensitivityMap) -> Result<Self, String> {
        let part = |name: &str| json.get(name).filter(|it| it.as_object().is_some()).ok_or(format!("an object {name}"));
        let (request, interaction) = (part("request")?, part("interaction")?);
        let empty = Json::Object(Object::new());
        let resources = json.items("resources").iter().map(|it| (reference_to(it), it.clone())).collect();
        let selected_by = interaction.get("selected_by").and_then(Json::as_object).into_iter().flat_map(Object::iter);
        // What cannot be carried over to R4 stays as it is, and denies.
        let carried = |it: &Json| crate::r5::convert(it).map_or_else(|_| it.clone(), |converted| converted.consent);
        let consents: Vec<Json> =
            json.items("consents").iter().cloned().chain(json.items("consents_r5").iter().map(carried)).collect();
        let mut case = Self {
            id: SmolStr::new(json.get("id").and_then(Json::as_str).unwrap_or_default()),
            topic: SmolStr::new(json.get("topic").and_then(Json::as_str).unwrap_or_default()),
            policies: Policies::compile(&consents, json.items("admin_policies")),
            request: read_request(request, interaction)?,
            settings: read_settings(json.get("config").unwrap_or(&empty))?,
            now: instant(request, "time")?.ok_or("an instant request.time")?,
            resources,
            candidates: texts(interaction, "candidates"),
            selected_by: selected_by.map(|(candidate, _)| (SmolStr::new(candidate), Vec::new())).collect(),
            facts: Vec::new(),
            expect: json.get("expect").cloned(),
        };
        for (candidate, rests_on) in &mut case.selected_by {
            *rests_on = texts(interaction.get("selected_by").unwrap_or(&empty), candidate);
        }
        let links = Links::of(case.resources.iter().map(|(_, resource)| resource));
        let context = case.context(&links, map);
        case.facts = case.candidates.iter().filter_map(|it| case.find(it)).map(|it| context.facts(it)).collect();
        Ok(case)
    }

    fn context<'a>(&'a self, links: &'a Links, map: &'a SensitivityMap) -> Context<'a> {
        Context {
            policies: &self.policies,
            request: &self.request,
            settings: &self.settings,
            now: self.now,
            links: Some(links),
            map: Some(map),
        }
    }

    fn find(&self, reference: &str) -> Option<&Json> {
        self.resources.iter().find(|(own, _)| own == reference).map(|(_, resource)| resource)
    }

    fn run(&self, map: &SensitivityMap) -> CaseResult {
        let links = Links::of(self.resources.iter().map(|(_, resource)| resource));
        let context = self.context(&links, map);
        let mut withheld: Vec<SmolStr> = Vec::new();
        let mut candidates = Vec::new();
        for reference in &self.candidates {
            let rests_on = self.selected_by.iter().find(|(own, _)| own == reference).map(|(_, list)| list.as_slice());
            let selected_by: Option<Vec<&Json>> = rests_on.unwrap_or_default().iter().map(|it| self.find(it)).collect();
            match (self.find(reference), selected_by) {
                (Some(json), Some(selected_by)) => {
                    candidates.push(Candidate { json: json.clone(), text: None, selected_by, follows: None });
                }
                // Nothing is known of it: it does not exist for this caller.
                _ => withheld.push(reference.clone()),
            }
        }
        let released = release_all(&context, candidates);
        withheld.extend(released.withheld.iter().map(|it| it.reference.clone()));
        let json = answer(&self.id, &released, &withheld);
        let pass = self.expect.as_ref().map(|expect| as_expected(expect, &json, &released));
        let mut json = json;
        if let (Some(pass), Some(object)) = (pass, json.as_object_mut()) {
            object.insert("pass", pass);
        }
        CaseResult { id: self.id.clone(), topic: self.topic.clone(), pass, json }
    }
}

fn answer(id: &str, released: &Released, withheld: &[SmolStr]) -> Json {
    let contents = released.permitted.get();
    let decision = match (contents.is_empty(), withheld.is_empty() && contents.iter().all(|it| !it.redacted)) {
        (false, true) => "permit",
        (false, false) => "redact",
        (true, _) => "deny",
    };
    let absent = contents.iter().flat_map(|it| it.removed.iter().map(move |path| format!("{}#{path}", it.reference)));
    let decisions = contents.iter().map(|it| &it.decision).chain(released.withheld.iter().map(|it| &it.decision));
    let mut matched: Vec<String> = Vec::new();
    for line in decisions.flat_map(|decision| decision.trace()) {
        if !matched.contains(&line) {
            matched.push(line);
        }
    }
    let reason = released.withheld.iter().find_map(|it| match &it.decision.effect {
        Effect::Deny(reason) => Some(reason.as_str()),
        Effect::Permit(_) => None,
    });
    let reason = reason.unwrap_or(match (released.btg, contents.is_empty()) {
        (true, _) => "break-glass",
        (false, false) => "permitted",
        (false, true) => "no-candidate",
    });
    let list = |items: &mut dyn Iterator<Item = String>| Json::array(items.map(Json::from));
    Json::object([
        ("id", Json::from(id)),
        ("decision", Json::from(decision)),
        ("released", list(&mut contents.iter().map(|it| it.reference.to_string()))),
        ("withheld", list(&mut withheld.iter().map(ToString::to_string))),
        ("absent", list(&mut absent.into_iter())),
        ("btg", Json::from(released.btg)),
        ("obligations", list(&mut released.obligations().iter().map(|it| it.to_string()))),
        ("matched", list(&mut matched.into_iter())),
        ("reason", Json::from(reason)),
    ])
}

fn as_expected(expect: &Json, answer: &Json, released: &Released) -> bool {
    let set = |json: &Json, name: &str| {
        let mut texts = texts(json, name);
        texts.sort();
        texts.dedup();
        texts
    };
    let same_set = |name: &str| expect.get(name).is_none() || set(expect, name) == set(answer, name);
    let same = |name: &str| expect.get(name).is_none_or(|wanted| Some(wanted) == answer.get(name));
    let bodies: Vec<String> = released.permitted.get().iter().map(|it| it.json.to_text()).collect();
    let occurs = |text: &SmolStr| bodies.iter().any(|body| body.contains(text.as_str()));
    same("decision")
        && same("btg")
        && ["released", "withheld", "absent", "obligations"].into_iter().all(same_set)
        && texts(expect, "must_contain").iter().all(occurs)
        && !texts(expect, "must_not_contain").iter().any(occurs)
}

fn read_settings(config: &Json) -> Result<Settings, String> {
    let mut settings = Settings::default();
    let word = |name: &str| config.get(name).map(|it| it.as_str().unwrap_or_default());
    if let Some(word) = word("implicit_policy") {
        settings.implicit_policy = ImplicitPolicy::parse(word).map_err(|error| error.expected)?;
    }
    if let Some(word) = word("btg") {
        settings.btg = BtgMode::parse(word).map_err(|error| error.expected)?;
    }
    if let Some(word) = word("labelling") {
        settings.labelling = Labelling::parse(word).map_err(|error| error.expected)?;
    }
    if let Some(word) = word("purposes") {
        settings.purposes = Purposes::parse(word).map_err(|error| error.expected)?;
    }
    if let Some(word) = word("label_cover") {
        settings.label_cover = LabelCover::parse(word).map_err(|error| error.expected)?;
    }
    if let Some(word) = word("inheritance") {
        settings.inheritance = Inheritance::parse(word).map_err(|error| error.expected)?;
    }
    if let Some(word) = word("base_policy") {
        settings.base_policy = BasePolicy::parse(word).map_err(|error| error.expected)?;
    }
    if let Some(minutes) = config.get("btg_ttl_minutes") {
        let minutes = minutes.as_number().and_then(|it| it.as_u64()).ok_or("whole minutes in btg_ttl_minutes")?;
        settings.btg_ttl = Duration::from_secs(minutes.saturating_mul(60));
    }
    Ok(settings)
}

fn read_request(request: &Json, interaction: &Json) -> Result<AccessRequest, String> {
    let empty = Json::Object(Object::new());
    let actor = request.get("actor").unwrap_or(&empty);
    let identifier = |it: &Json| {
        let value = it.get("value").and_then(Json::as_str)?;
        Some(Identifier {
            system: it.get("system").and_then(Json::as_str).map(SmolStr::new),
            value: SmolStr::new(value),
        })
    };
    let btg = match request.get("btg") {
        Some(btg) => Some(Btg {
            declared: btg.get("declared").and_then(Json::as_bool).unwrap_or_default(),
            reason: btg.get("reason").and_then(Json::as_str).unwrap_or_default().to_owned(),
            // Without a time of its own a declaration is older than any limit.
            started: instant(btg, "started")?.unwrap_or(Instant::MIN),
        }),
        None => None,
    };
    let patient = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).map(as_patient);
    Ok(AccessRequest {
        actor: Actor {
            refs: texts(actor, "refs"),
            identifiers: actor.items("identifiers").iter().filter_map(identifier).collect(),
            roles: texts(actor, "roles"),
            emergency_authorised: actor.get("emergency_authorised").and_then(Json::as_bool).unwrap_or_default(),
            bound_patient: patient(actor, "bound_patient").or_else(|| patient(actor, "patient")),
            bound_records: Vec::new(),
        },
        purposes: texts(request, "purposes").iter().map(|code| Purpose::parse(code)).collect(),
        action: Action::parse(request.get("action").and_then(Json::as_str).unwrap_or("access"))
            .map_err(|error| error.expected)?,
        custodian: Some(texts(request, "custodian")),
        btg,
        patient: patient(interaction, "patient"),
        interaction: Interaction::parse(interaction.get("type").and_then(Json::as_str).unwrap_or_default())
            .map_err(|error| error.expected)?,
    })
}

fn as_patient(text: &str) -> SmolStr {
    if text.contains('/') { SmolStr::new(text) } else { format_smolstr!("Patient/{text}") }
}

fn instant(json: &Json, name: &str) -> Result<Option<Instant>, String> {
    let Some(value) = json.get(name) else { return Ok(None) };
    let text = value.as_str().unwrap_or_default();
    Instant::parse(text).map(Some).map_err(|_| format!("an instant in {name}"))
}

fn texts(json: &Json, name: &str) -> Vec<SmolStr> {
    json.items(name).iter().filter_map(Json::as_str).map(SmolStr::new).collect()
}

fn reference_to(resource: &Json) -> SmolStr {
    let part = |name: &str| resource.get(name).and_then(Json::as_str).unwrap_or_default();
    format_smolstr!("{}/{}", part("resourceType"), part("id"))
}

#[cfg(test)]
mod tests;
