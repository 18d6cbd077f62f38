//! A patient's choices in plain words, and the FHIR R4 Consent that says the same to the decision. Pure.
//!
//! The Consent refuses what nobody was permitted (`policyRule` opt-out), permits what was chosen, and takes out again what
//! is kept back. What is read back as choices is written as exactly the same Consent, else it is none of ours.

use std::collections::BTreeSet;

use model::id::{Reference, ResourceId};
use model::json::{Json, Object};
use model::time::{Instant, PartialDateTime, Precision};

#[cfg(test)]
mod tests;

/// Under which system a Consent is known as made of choices.
pub const SYSTEM: &str = "urn:gateway:consent:choices";
/// Persons and organisations that may be named.
const NAMED_MOST: usize = 50;
const DISPLAY_MOST: usize = 200;

const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const SCOPE: &str = "http://terminology.hl7.org/CodeSystem/consentscope";

/// Said with the choice that nobody may open the record in an emergency.
pub const EMERGENCY_WARNING: &str = "If you are unconscious, nobody can then look up your allergies, your medication or \
    your illnesses here. This can cost your life. Send \"acknowledged\": true if this is what you want.";

/// A sensitive topic that can be kept back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Mental health.
    MentalHealth,
    /// Alcohol and other substances.
    SubstanceUse,
    /// HIV.
    Hiv,
    /// Sexual and reproductive health.
    SexualHealth,
    /// Genetics.
    Genetics,
    /// Violence and abuse.
    Violence,
}

impl Topic {
    /// Every topic, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::MentalHealth, Self::SubstanceUse, Self::Hiv, Self::SexualHealth, Self::Genetics, Self::Violence];

    /// The word of the interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MentalHealth => "mental-health",
            Self::SubstanceUse => "substance-use",
            Self::Hiv => "hiv",
            Self::SexualHealth => "sexual-health",
            Self::Genetics => "genetics",
            Self::Violence => "violence",
        }
    }

    /// As a sentence says it.
    pub fn words(self) -> &'static str {
        match self {
            Self::MentalHealth => "mental health",
            Self::SubstanceUse => "alcohol and drugs",
            Self::Hiv => "HIV",
            Self::SexualHealth => "sexual health",
            Self::Genetics => "genetics",
            Self::Violence => "violence and abuse",
        }
    }

    /// The sensitivity labels (v3 ActCode) that the topic stands for.
    fn labels(self) -> &'static [&'static str] {
        match self {
            Self::MentalHealth => &["PSY", "MH", "EMOTDIS"],
            Self::SubstanceUse => &["SUD", "ETH"],
            Self::Hiv => &["HIV"],
            Self::SexualHealth => &["STD", "SEX"],
            Self::Genetics => &["GDIS", "SCA", "SICKLE"],
            Self::Violence => &["SDV", "VIO", "MST"],
        }
    }
}

/// Somebody who is named: a practitioner or an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// `Practitioner/id`, `PractitionerRole/id`, `Organization/id` or `CareTeam/id`.
    pub reference: String,
    /// As the patient calls them.
    pub display: Option<String>,
}

/// Who may see the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Share {
    /// Those who treat the patient.
    Treating,
    /// These alone, for treatment.
    Named(Vec<Party>),
    /// Nobody.
    Nobody,
}

/// Whether emergency staff may open the record when the patient cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emergency {
    /// As the site's rules have it.
    Allow,
    /// Not even then.
    Refuse,
}

/// What a patient can choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    /// With whom the record is shared.
    pub share: Share,
    /// What is kept back from all of them.
    pub keep_back: BTreeSet<Topic>,
    /// In an emergency.
    pub emergency: Emergency,
    /// Whether research may use the record.
    pub research: bool,
    /// The last day on which this holds (`YYYY-MM-DD`).
    pub until: Option<String>,
}

/// What is not as choices are: the member and what was expected. Fault of the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {expected}")]
pub struct NotChoices {
    /// The member.
    pub at: &'static str,
    /// What was expected there.
    pub expected: &'static str,
}

fn wrong<T>(at: &'static str, expected: &'static str) -> Result<T, NotChoices> {
    Err(NotChoices { at, expected })
}

impl Choices {
    /// Reads choices as they are sent. Members that are not known are refused: a wish must not be passed over.
    ///
    /// # Errors
    /// [`NotChoices`], naming the member.
    pub fn read(json: &Json) -> Result<Self, NotChoices> {
        const KNOWN: [&str; 7] = ["share", "with", "keep_back", "emergency", "research", "until", "acknowledged"];
        let Some(object) = json.as_object() else { return wrong("choices", "expected an object") };
        if object.iter().any(|(name, _)| !KNOWN.contains(&name)) {
            return wrong(
                "choices",
                "expected share, with, keep_back, emergency, research, until and acknowledged only",
            );
        }
        let share = match (json.get("share").and_then(Json::as_str), json.get("with")) {
            (Some("treating"), None) => Share::Treating,
            (Some("nobody"), None) => Share::Nobody,
            (Some("named"), Some(with)) => Share::Named(parties(with)?),
            (Some("named"), None) => return wrong("with", "expected those who are named"),
            (Some("treating" | "nobody"), Some(_)) => return wrong("with", "expected with share \"named\" only"),
            _ => return wrong("share", "expected treating, named or nobody"),
        };
        let mut keep_back = BTreeSet::new();
        match json.get("keep_back") {
            None => {}
            Some(Json::Array(topics)) => {
                for topic in topics {
                    let known = Topic::ALL.into_iter().find(|known| topic.as_str() == Some(known.as_str()));
                    let Some(known) = known else {
                        return wrong(
                            "keep_back",
                            "expected mental-health, substance-use, hiv, sexual-health, genetics or violence",
                        );
                    };
                    keep_back.insert(known);
                }
            }
            Some(_) => return wrong("keep_back", "expected a list"),
        }
        let emergency = match json.get("emergency").and_then(Json::as_str) {
            Some("allow") => Emergency::Allow,
            Some("refuse") => Emergency::Refuse,
            _ => return wrong("emergency", "expected allow or refuse"),
        };
        let Some(research) = json.get("research").and_then(Json::as_bool) else {
            return wrong("research", "expected true or false");
        };
        let until = match json.get("until") {
            None | Some(Json::Null) => None,
            Some(value) => match value.as_str().filter(|text| is_day(text)) {
                Some(day) => Some(day.to_owned()),
                None => return wrong("until", "expected a day as YYYY-MM-DD"),
            },
        };
        Ok(Self { share, keep_back, emergency, research, until })
    }

    /// As they are shown; [`Choices::read`] reads the same.
    pub fn json(&self) -> Json {
        let mut made = Object::new();
        match &self.share {
            Share::Treating => drop(made.insert("share", "treating")),
            Share::Nobody => drop(made.insert("share", "nobody")),
            Share::Named(parties) => {
                made.insert("share", "named");
                made.insert("with", Json::array(parties.iter().map(party)));
            }
        }
        made.insert("keep_back", Json::array(self.keep_back.iter().map(|topic| Json::from(topic.as_str()))));
        made.insert("emergency", if self.emergency == Emergency::Allow { "allow" } else { "refuse" });
        made.insert("research", self.research);
        if let Some(until) = &self.until {
            made.insert("until", until.as_str());
        }
        made.into()
    }

    /// Whether the last day lies before this moment (UTC).
    pub fn is_over(&self, now: Instant) -> bool {
        let last = self.until.as_deref().and_then(|day| PartialDateTime::parse(day).ok());
        last.is_some_and(|day| day.latest() < now)
    }

    /// The same as sentences.
    pub fn sentence(&self) -> String {
        let mut text = match &self.share {
            Share::Treating => "Those who treat me may see my record.".to_owned(),
            Share::Nobody => "Nobody else may see my record.".to_owned(),
            Share::Named(parties) => {
                let names: Vec<&str> =
                    parties.iter().map(|party| party.display.as_deref().unwrap_or(&party.reference)).collect();
                format!("Only these may see my record, to treat me: {}.", listed(&names))
            }
        };
        if !self.keep_back.is_empty() {
            let topics: Vec<&str> = self.keep_back.iter().map(|topic| topic.words()).collect();
            text.push_str(&format!(" From everybody I keep back what is about {}.", listed(&topics)));
        }
        text.push_str(match self.emergency {
            Emergency::Allow => {
                " If I cannot be asked in an emergency, the rules of the organisation hold: whoever opens my record \
                 is recorded, I am told, and it is reviewed."
            }
            Emergency::Refuse => " Not even in an emergency may my record be opened without asking me.",
        });
        text.push_str(match (self.research, &self.share) {
            (true, Share::Nobody) => " Research alone may use it.",
            (true, _) => " Research may use it.",
            (false, _) => " Research may not use it.",
        });
        match &self.until {
            Some(day) => text.push_str(&format!(
                " This holds until the end of {day} (UTC); then the rules of the organisation hold again."
            )),
            None => text.push_str(" This holds until I change it."),
        }
        text
    }

    /// The Consent that says it.
    pub fn consent(&self, id: &str, patient: &ResourceId, given: Instant, organisations: &[String]) -> Json {
        let reference = |text: &str| Json::object([("reference", Json::from(text))]);
        let own = format!("Patient/{patient}");
        let mut made = Object::new();
        made.insert("resourceType", "Consent");
        made.insert("id", id);
        let narrative = Json::object([
            ("status", Json::from("generated")),
            (
                "div",
                Json::from(
                    format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{}</p></div>", escaped(&self.sentence()))
                        .as_str(),
                ),
            ),
        ]);
        made.insert("text", narrative);
        let identifier = Json::object([("system", Json::from(SYSTEM)), ("value", Json::from(id))]);
        made.insert("identifier", Json::array([identifier]));
        made.insert("status", "active");
        made.insert("scope", concept(SCOPE, "patient-privacy", "Privacy Consent"));
        made.insert("category", Json::array([concept("http://loinc.org", "59284-0", "Consent Document")]));
        made.insert("patient", reference(&own));
        made.insert("dateTime", given.to_rfc3339());
        made.insert("performer", Json::array([reference(&own)]));
        if !organisations.is_empty() {
            made.insert("organization", Json::array(organisations.iter().map(|text| reference(text))));
        }
        made.insert("policyRule", concept(ACT_CODE, "OPTOUT", "opt-out"));
        made.insert("provision", self.provision());
        made.into()
    }

    fn provision(&self) -> Json {
        let mut provisions = Vec::new();
        let permits = self.permits();
        provisions.extend(permits.iter().map(|permit| Json::Object(permit.clone())));
        // Very restricted data take a consent that names them: no choice here opens them.
        provisions.push(deny([("securityLabel", Json::array([coding(CONFIDENTIALITY, "V", "very restricted")]))]));
        if !self.keep_back.is_empty() {
            let labels = self.keep_back.iter().flat_map(|topic| topic.labels());
            provisions.push(deny([("securityLabel", Json::array(labels.map(|code| label(code))))]));
        }
        if let Some(behavioural) = self.behavioural(&permits) {
            provisions.push(behavioural);
        }
        if self.emergency == Emergency::Refuse {
            provisions.push(deny([("purpose", Json::array([coding(ACT_REASON, "BTG", "break the glass")]))]));
        }
        let mut root = Object::new();
        if let Some(until) = &self.until {
            root.insert("period", Json::object([("end", Json::from(until.as_str()))]));
        }
        root.insert("provision", Json::Array(provisions));
        root.into()
    }

    fn permits(&self) -> Vec<Object> {
        let permit = |purpose: (&str, &str), parties: &[Party]| {
            let mut made = Object::new();
            made.insert("type", "permit");
            if !parties.is_empty() {
                let actor = |one: &Party| {
                    let role = concept(PARTICIPATION, "IRCP", "information recipient");
                    Json::object([("role", role), ("reference", party(one))])
                };
                made.insert("actor", Json::array(parties.iter().map(actor)));
            }
            made.insert("purpose", Json::array([coding(ACT_REASON, purpose.0, purpose.1)]));
            made
        };
        let mut permits = Vec::new();
        match &self.share {
            Share::Treating => permits.push(permit(("TREAT", "treatment"), &[])),
            Share::Named(parties) => permits.push(permit(("TREAT", "treatment"), parties)),
            Share::Nobody => {}
        }
        if self.research {
            permits.push(permit(("HRESCH", "healthcare research"), &[]));
        }
        permits
    }

    /// Where one of mental health and substance use is kept back and the other is not: a label that says behavioural
    /// health and not which (`BH`) stays back too, and what is labelled as the other one is let out again.
    fn behavioural(&self, permits: &[Object]) -> Option<Json> {
        let kept = |topic: Topic| self.keep_back.contains(&topic);
        match (kept(Topic::MentalHealth), kept(Topic::SubstanceUse)) {
            (false, false) => return None,
            (true, true) => return Some(deny([("securityLabel", Json::array([label("BH")]))])),
            _ => {}
        }
        let open = Topic::ALL.into_iter().filter(|topic| !kept(*topic)).flat_map(Topic::labels);
        let open = Json::array(open.map(|code| label(code)));
        let inner = permits.iter().map(|permit| {
            let mut permit = permit.clone();
            // In the order of the definition: behind actor, before purpose.
            let purpose = permit.remove("purpose");
            permit.insert("securityLabel", open.clone());
            if let Some(purpose) = purpose {
                permit.insert("purpose", purpose);
            }
            Json::Object(permit)
        });
        let inner: Vec<Json> = inner.collect();
        let mut made = Object::new();
        made.insert("type", "deny");
        made.insert("securityLabel", Json::array([label("BH")]));
        if !inner.is_empty() {
            made.insert("provision", Json::Array(inner));
        }
        Some(made.into())
    }

    /// Reads a Consent back, if it is one that choices made and nothing was changed since but its status.
    pub fn of(consent: &Json) -> Option<Self> {
        let id = consent.get("id")?.as_str()?;
        let identifier = consent.items("identifier").first()?;
        if identifier.text_at(&["system"]) != Some(SYSTEM) || identifier.text_at(&["value"]) != Some(id) {
            return None;
        }
        let patient = Reference::parse(consent.text_at(&["patient", "reference"])?).ok()?;
        let given = Instant::parse(consent.get("dateTime")?.as_str()?).ok()?;
        let organisations: Vec<String> = consent
            .items("organization")
            .iter()
            .map(|it| it.text_at(&["reference"]).map(str::to_owned))
            .collect::<Option<_>>()?;
        let root = consent.get("provision")?;
        let choices = Self::guess(root)?;
        let mut again = choices.consent(id, &patient.id, given, &organisations);
        let mut stored = consent.clone();
        again.as_object_mut()?.remove("status");
        let compared = stored.as_object_mut()?;
        compared.remove("status");
        compared.remove("meta");
        (again == stored).then_some(choices)
    }

    /// What the provisions seem to say; the comparison decides.
    fn guess(root: &Json) -> Option<Self> {
        let purpose = |it: &Json| it.items("purpose").first().and_then(|it| it.text_at(&["code"])).map(str::to_owned);
        let said = |it: &Json, rule: &str| it.text_at(&["type"]) == Some(rule);
        let mut choices = Self {
            share: Share::Nobody,
            keep_back: BTreeSet::new(),
            emergency: Emergency::Allow,
            research: false,
            until: root.text_at(&["period", "end"]).map(str::to_owned),
        };
        for provision in root.items("provision") {
            match purpose(provision).as_deref() {
                Some("TREAT") if said(provision, "permit") => {
                    let actors = provision.items("actor");
                    choices.share = if actors.is_empty() {
                        Share::Treating
                    } else {
                        let read = |actor: &Json| {
                            let party = actor.get("reference")?;
                            let display = party.text_at(&["display"]).map(str::to_owned);
                            Some(Party { reference: party.text_at(&["reference"])?.to_owned(), display })
                        };
                        Share::Named(actors.iter().map(read).collect::<Option<_>>()?)
                    };
                }
                Some("HRESCH") if said(provision, "permit") => choices.research = true,
                Some("BTG") if said(provision, "deny") => choices.emergency = Emergency::Refuse,
                _ => {
                    let labels: Vec<&str> =
                        provision.items("securityLabel").iter().filter_map(|it| it.text_at(&["code"])).collect();
                    let all = |topic: &Topic| topic.labels().iter().all(|code| labels.contains(code));
                    choices.keep_back.extend(Topic::ALL.into_iter().filter(all));
                }
            }
        }
        Some(choices)
    }
}

fn parties(with: &Json) -> Result<Vec<Party>, NotChoices> {
    const KINDS: [&str; 4] = ["Practitioner", "PractitionerRole", "Organization", "CareTeam"];
    let Some(listed) = with.as_array().filter(|it| !it.is_empty() && it.len() <= NAMED_MOST) else {
        return wrong("with", "expected a list of 1 to 50");
    };
    let mut parties: Vec<Party> = Vec::new();
    for one in listed {
        let reference = one.text_at(&["reference"]).and_then(|text| Reference::parse(text).ok());
        let Some(reference) = reference.filter(|it| KINDS.contains(&it.resource_type.as_str())) else {
            return wrong("with", "expected a reference to a Practitioner, PractitionerRole, Organization or CareTeam");
        };
        let display = match one.get("display") {
            None => None,
            Some(display) => match display.as_str().map(str::trim) {
                Some(text)
                    if !text.is_empty()
                        && text.chars().count() <= DISPLAY_MOST
                        && !text.chars().any(char::is_control) =>
                {
                    Some(text.to_owned())
                }
                _ => return wrong("with", "expected a display of 1 to 200 characters"),
            },
        };
        let party = Party { reference: reference.to_string(), display };
        if parties.iter().any(|known| known.reference == party.reference) {
            return wrong("with", "expected each of them once");
        }
        parties.push(party);
    }
    Ok(parties)
}

fn is_day(text: &str) -> bool {
    text.len() == 10 && PartialDateTime::parse(text).is_ok_and(|day| day.precision() == Precision::Day)
}

fn party(party: &Party) -> Json {
    let mut members = vec![("reference", Json::from(party.reference.as_str()))];
    if let Some(display) = &party.display {
        members.push(("display", Json::from(display.as_str())));
    }
    Json::object(members)
}

fn coding(system: &str, code: &str, display: &str) -> Json {
    Json::object([("system", Json::from(system)), ("code", Json::from(code)), ("display", Json::from(display))])
}

fn concept(system: &str, code: &str, display: &str) -> Json {
    Json::object([("coding", Json::array([coding(system, code, display)]))])
}

fn label(code: &str) -> Json {
    Json::object([("system", Json::from(ACT_CODE)), ("code", Json::from(code))])
}

fn deny<const N: usize>(criteria: [(&'static str, Json); N]) -> Json {
    let mut members = vec![("type", Json::from("deny"))];
    members.extend(criteria);
    Json::object(members)
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn listed(items: &[&str]) -> String {
    match items {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
