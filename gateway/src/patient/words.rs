//! Consents, purposes and decisions in plain words. Pure; for people who know neither FHIR nor codes.

use model::json::{Json, Limits, parse};

use super::choices::{Choices, listed};

/// Purposes of use (HL7 v3 ActReason) as people say them.
const PURPOSES: [(&str, &str); 38] = [
    ("TREAT", "treatment"),
    ("CLINTRL", "treatment in a clinical trial"),
    ("COC", "coordination of care"),
    ("ETREAT", "emergency treatment"),
    ("ERTREAT", "treatment in an emergency room"),
    ("BTG", "an emergency in which you could not be asked"),
    ("POPHLTH", "the health of a population"),
    ("PATRQT", "your own request"),
    ("FAMRQT", "a request of your family"),
    ("PWATRNY", "a request of somebody you gave power to"),
    ("SUPNWK", "a request of people who support you"),
    ("HPAYMT", "payment"),
    ("CLMATTCH", "a claim"),
    ("COVAUTH", "authorisation of coverage"),
    ("COVERAGE", "insurance coverage"),
    ("ELIGDTRM", "eligibility for insurance"),
    ("ELIGVER", "eligibility for insurance"),
    ("ENROLLM", "enrolment in insurance"),
    ("REMITADV", "payment"),
    ("HOPERAT", "running the organisation"),
    ("CAREMGT", "care management"),
    ("DONAT", "donation"),
    ("FRAUD", "detection of fraud"),
    ("GOV", "government"),
    ("HDIRECT", "a directory"),
    ("HLEGAL", "legal matters"),
    ("HQUALIMP", "quality improvement"),
    ("HSYSADMIN", "administration of the system"),
    ("PATADMIN", "patient administration"),
    ("PATSFTY", "patient safety"),
    ("RECORDMGT", "keeping the record"),
    ("TRAIN", "training"),
    ("HMARKT", "marketing"),
    ("HRESCH", "research"),
    ("CLINTRCH", "clinical trial research"),
    ("PUBHLTH", "public health"),
    ("DISASTER", "a disaster"),
    ("THREAT", "a threat to health"),
];

/// Security labels as people say them.
const LABELS: [(&str, &str); 30] = [
    ("U", "not confidential data"),
    ("L", "data of low confidentiality"),
    ("M", "moderately confidential data"),
    ("N", "ordinary health data"),
    ("R", "restricted data"),
    ("V", "very restricted data"),
    ("BH", "behavioural health"),
    ("PSY", "mental health"),
    ("MH", "mental health"),
    ("EMOTDIS", "emotional disturbance"),
    ("PSYTHPN", "psychotherapy notes"),
    ("COGN", "cognitive disability"),
    ("DVD", "developmental disability"),
    ("SUD", "substance use"),
    ("ETH", "alcohol and drugs"),
    ("ETHUD", "alcohol use"),
    ("OPIOIDUD", "opioid use"),
    ("HIV", "HIV"),
    ("STD", "sexually transmitted disease"),
    ("SEX", "sexual and reproductive health"),
    ("GDIS", "genetics"),
    ("SCA", "sickle cell disease"),
    ("SICKLE", "sickle cell disease"),
    ("SDV", "sexual assault, abuse and domestic violence"),
    ("VIO", "violence"),
    ("MST", "sexual trauma in the military"),
    ("TBOO", "taboo topics"),
    ("ADOL", "adolescents' care"),
    ("CEL", "celebrities' data"),
    ("SPI", "specially protected information"),
];

/// A purpose as people say it; the code itself where it has no words here.
pub(super) fn purpose(code: &str) -> String {
    PURPOSES.iter().find(|(known, _)| *known == code).map_or(code, |(_, words)| *words).to_owned()
}

/// Whether a disclosure for this purpose is for treatment, payment or running the organisation, or to the patient.
pub(super) fn is_ordinary(system: &str, code: &str) -> bool {
    const OTHERS: [&str; 20] = [
        "HMARKT",
        "HRESCH",
        "BIORCH",
        "CLINTRCH",
        "CLINTRCHNPC",
        "CLINTRCHPC",
        "PRECLINTRCH",
        "DSRCH",
        "POARCH",
        "TRANSRCH",
        "PUBHLTH",
        "DISASTER",
        "THREAT",
        "FAMRQT",
        "PWATRNY",
        "SUPNWK",
        "GOV",
        "HLEGAL",
        "FRAUD",
        "DONAT",
    ];
    system == "http://terminology.hl7.org/CodeSystem/v3-ActReason" && !OTHERS.contains(&code)
}

/// `Observation` → `results and findings`; types without words stay as they are.
pub(super) fn kind(resource_type: &str) -> &str {
    match resource_type {
        "AllergyIntolerance" => "allergies",
        "Condition" => "conditions",
        "Observation" => "results and findings",
        "DiagnosticReport" => "reports",
        "MedicationRequest" | "MedicationStatement" => "medication",
        "Immunization" => "vaccinations",
        "Procedure" => "procedures",
        "Encounter" => "visits",
        "DocumentReference" | "Binary" | "Composition" | "Bundle" => "documents",
        "Patient" => "who you are",
        "Consent" => "consents",
        "AuditEvent" => "records of access",
        other => other,
    }
}

/// What a Consent is called.
pub(super) fn title(consent: &Json) -> String {
    if Choices::of(consent).is_some() {
        return "Your choices".to_owned();
    }
    let category = consent.items("category").first();
    let coding = category.and_then(|it| it.items("coding").first());
    category
        .and_then(|it| it.text_at(&["text"]))
        .or_else(|| coding.and_then(|it| it.text_at(&["display"])))
        .unwrap_or("Consent")
        .to_owned()
}

/// Whether the decision understands an active Consent; one that it does not closes the record.
pub(super) fn is_understood(consent: &Json) -> bool {
    let mut active = consent.clone();
    if let Some(object) = active.as_object_mut() {
        object.insert("status", "active");
    }
    consent::Policies::compile(&[active], &[]).misunderstood().next().is_none()
}

/// A Consent as sentences.
pub(super) fn consent(consent: &Json) -> Vec<String> {
    if let Some(choices) = Choices::of(consent) {
        return vec![choices.sentence()];
    }
    if !is_understood(consent) {
        return vec![
            "Parts of this consent are not understood here. While it is active, nobody but you sees your record \
             (emergencies aside)."
                .to_owned(),
        ];
    }
    let mut said = Vec::new();
    let rules = consent.get("policyRule").map(|rule| rule.items("coding")).unwrap_or_default();
    for code in rules.iter().filter_map(|it| it.text_at(&["code"])) {
        match code {
            "OPTOUT" | "OPTOUTE" => said.push("Refuses whatever the following does not allow.".to_owned()),
            "OPTIN" | "OPTINR" => said.push("Allows whatever the following does not refuse.".to_owned()),
            "EMRGONLY" => said.push("Allows emergency treatment, and refuses everything else not named.".to_owned()),
            _ => {}
        }
    }
    if let Some(root) = consent.get("provision") {
        described(root, 0, &mut said);
    }
    let verified = consent.items("verification");
    if !verified.is_empty() && !verified.iter().any(|it| it.get("verified").and_then(Json::as_bool) == Some(true)) {
        said.push("It is not verified: what it allows has no effect, what it refuses holds.".to_owned());
    }
    said
}

/// The provision of a Consent that a decision names (`provision.provision[1]`, `policyRule`) as one sentence.
pub(super) fn at(consent: &Json, path: &str) -> Option<String> {
    if path == "policyRule" {
        return base(consent);
    }
    let mut steps = path.split('.');
    if steps.next()? != "provision" {
        return None;
    }
    let mut found = consent.get("provision")?;
    for step in steps {
        let index: usize = step.strip_prefix("provision[")?.strip_suffix(']')?.parse().ok()?;
        found = found.items("provision").get(index)?;
    }
    one(found)
}

fn base(consent: &Json) -> Option<String> {
    let rules = consent.get("policyRule").map(|rule| rule.items("coding")).unwrap_or_default();
    let code = rules.iter().find_map(|it| it.text_at(&["code"]))?;
    Some(match code {
        "OPTIN" | "OPTINR" => "It allows what it does not refuse.".to_owned(),
        "EMRGONLY" => "It allows emergency treatment alone.".to_owned(),
        _ => "It refuses what it does not allow.".to_owned(),
    })
}

fn described(provision: &Json, depth: usize, said: &mut Vec<String>) {
    if let Some(text) = one(provision) {
        said.push(if depth > 1 { format!("Of that: {text}") } else { text });
    } else if let Some(period) = provision.get("period").map(span) {
        said.push(format!("Holds {period}."));
    }
    for inner in provision.items("provision") {
        described(inner, depth + 1, said);
    }
}

/// One provision, if it decides anything itself.
fn one(provision: &Json) -> Option<String> {
    let mut text = match provision.text_at(&["type"])? {
        "permit" => "Allows".to_owned(),
        _ => "Refuses".to_owned(),
    };
    let named = |actor: &Json| {
        let reference = actor.get("reference")?;
        let identifier = || reference.text_at(&["identifier", "value"]);
        let name = reference.text_at(&["display"]).or_else(|| reference.text_at(&["reference"])).or_else(identifier);
        name.map(str::to_owned)
    };
    let actors: Vec<String> = provision.items("actor").iter().filter_map(named).collect();
    let actors: Vec<&str> = actors.iter().map(String::as_str).collect();
    match actors.is_empty() {
        true => text.push_str(" everybody"),
        false => text.push_str(&format!(" {}", listed(&actors))),
    }
    let codes = |name: &str| provision.items(name).iter().filter_map(|it| it.text_at(&["code"])).collect::<Vec<_>>();
    let actions: Vec<&str> = provision
        .items("action")
        .iter()
        .flat_map(|action| action.items("coding"))
        .filter_map(|it| it.text_at(&["code"]))
        .collect();
    text.push_str(&match actions.as_slice() {
        [] => " to use".to_owned(),
        actions => format!(" to {}", listed(actions)),
    });
    let labels: Vec<&str> = codes("securityLabel").into_iter().map(label).collect();
    let classes: Vec<&str> = codes("class").into_iter().map(kind).collect();
    text.push_str(&match (classes.as_slice(), labels.as_slice()) {
        ([], []) => " your record".to_owned(),
        (classes, []) => format!(" of your record: {}", listed(classes)),
        ([], labels) => format!(" what is labelled {}", listed(&unique(labels))),
        (classes, labels) => format!(" {} labelled {}", listed(classes), listed(&unique(labels))),
    });
    let coded = provision.items("code").len();
    if coded > 0 {
        text.push_str(" with certain codes");
    }
    if !provision.items("data").is_empty() {
        text.push_str(", certain entries of it");
    }
    if let Some(period) = provision.get("dataPeriod") {
        text.push_str(&format!(", of the time {}", span(period)));
    }
    let purposes: Vec<String> = codes("purpose").into_iter().map(purpose).collect();
    let purposes: Vec<&str> = purposes.iter().map(String::as_str).collect();
    if !purposes.is_empty() {
        text.push_str(&format!(", for {}", listed(&purposes)));
    }
    if let Some(period) = provision.get("period") {
        text.push_str(&format!("; holds {}", span(period)));
    }
    text.push('.');
    Some(text)
}

fn unique<'a>(items: &[&'a str]) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(item) {
            seen.push(*item);
        }
    }
    seen
}

fn label(code: &str) -> &str {
    LABELS.iter().find(|(known, _)| *known == code).map_or(code, |(_, words)| *words)
}

fn span(period: &Json) -> String {
    match (period.text_at(&["start"]), period.text_at(&["end"])) {
        (Some(start), Some(end)) => format!("from {start} to {end}"),
        (Some(start), None) => format!("from {start} on"),
        (None, Some(end)) => format!("until {end}"),
        (None, None) => "without end".to_owned(),
    }
}

/// Reads a stored text.
pub(super) fn read(body: &[u8]) -> Option<Json> {
    parse(body, &Limits::default()).ok()
}
