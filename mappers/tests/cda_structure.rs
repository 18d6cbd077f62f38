//! Every written document has the elements of CDA R2 in its order, as often as it allows: of the examples of `ccda-base`,
//! and of all documents of the corpus where it is there.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at what it does not expect")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use formats::cda::{Document, Element, Limits};
use mappers::{Context, Packages, RenderContext};

/// Children of an element in the order of the schema: `?` at most one, `+` at least one, `*` any number, else exactly one.
/// Facts of CDA R2 (POCD_MT000040) with the extensions of the SDTC name space.
const CONTENT: &[(&str, &str)] = &[
    (
        "ClinicalDocument",
        "realmCode* typeId templateId* id code title? effectiveTime confidentialityCode languageCode? setId? versionNumber? \
         copyTime? recordTarget+ author+ dataEnterer? informant* custodian informationRecipient* legalAuthenticator? \
         authenticator* participant* inFulfillmentOf* documentationOf* relatedDocument* authorization* componentOf? component",
    ),
    ("patientRole", "templateId* id+ sdtc:identifiedBy* addr* telecom* patient? providerOrganization?"),
    (
        "patient",
        "templateId* id? name* desc? administrativeGenderCode? birthTime? sdtc:deceasedInd? sdtc:deceasedTime? \
         sdtc:multipleBirthInd? sdtc:multipleBirthOrderNumber? maritalStatusCode? religiousAffiliationCode? raceCode? \
         sdtc:raceCode* ethnicGroupCode? sdtc:ethnicGroupCode* guardian* birthplace? languageCommunication*",
    ),
    (
        "assignedAuthor",
        "templateId* id+ code? addr* telecom* assignedPerson? assignedAuthoringDevice? representedOrganization?",
    ),
    ("assignedEntity", "templateId* id+ code? addr* telecom* assignedPerson? representedOrganization?"),
    ("assignedCustodian", "templateId* representedCustodianOrganization"),
    ("representedCustodianOrganization", "templateId* id+ name? telecom? addr?"),
    (
        "representedOrganization",
        "templateId* id* name* telecom* addr* standardIndustryClassCode? asOrganizationPartOf?",
    ),
    ("providerOrganization", "templateId* id* name* telecom* addr* standardIndustryClassCode? asOrganizationPartOf?"),
    ("intendedRecipient", "templateId* id* addr* telecom* informationRecipient? receivedOrganization?"),
    ("associatedEntity", "templateId* id* code? addr* telecom* associatedPerson? scopingOrganization?"),
    ("relatedEntity", "templateId* code? addr* telecom* effectiveTime? relatedPerson?"),
    ("legalAuthenticator", "templateId* time signatureCode sdtc:signatureText? assignedEntity"),
    ("authenticator", "templateId* time signatureCode sdtc:signatureText? assignedEntity"),
    ("author", "templateId* functionCode? time assignedAuthor"),
    ("dataEnterer", "templateId* time? assignedEntity"),
    ("custodian", "templateId* assignedCustodian"),
    ("informationRecipient", "templateId* intendedRecipient? name*"),
    ("performer", "templateId* sdtc:functionCode? functionCode? time? modeCode? assignedEntity"),
    ("serviceEvent", "templateId* id* code? effectiveTime? performer*"),
    (
        "encompassingEncounter",
        "templateId* id* code? effectiveTime dischargeDispositionCode? responsibleParty? encounterParticipant* location?",
    ),
    (
        "participantRole",
        "templateId* id* sdtc:identifiedBy* code? addr* telecom* playingDevice? playingEntity? scopingEntity?",
    ),
    ("playingEntity", "templateId* code? quantity* name* sdtc:birthTime? desc?"),
    ("playingDevice", "templateId* code? manufacturerModelName? softwareName?"),
    ("scopingEntity", "templateId* id* code? desc?"),
    (
        "manufacturedProduct",
        "templateId* id* sdtc:identifiedBy* manufacturedLabeledDrug? manufacturedMaterial? manufacturerOrganization?",
    ),
    ("manufacturedMaterial", "templateId* code? name? lotNumberText?"),
    (
        "section",
        "templateId* id? code? title? text? confidentialityCode? languageCode? subject? author* informant* entry* component*",
    ),
    (
        "act",
        "templateId* id* code text? statusCode? effectiveTime? priorityCode? languageCode? subject? specimen* performer* \
         author* informant* participant* entryRelationship* reference* precondition* sdtc:precondition2* sdtc:inFulfillmentOf1*",
    ),
    (
        "encounter",
        "templateId* id* code? text? statusCode? effectiveTime? sdtc:dischargeDispositionCode? priorityCode? subject? specimen* \
         performer* author* informant* participant* entryRelationship* reference* precondition* sdtc:precondition2* \
         sdtc:inFulfillmentOf1*",
    ),
    (
        "observation",
        "templateId* id* code derivationExpr? text? statusCode? effectiveTime? priorityCode? repeatNumber? languageCode? value* \
         interpretationCode* methodCode* targetSiteCode* subject? specimen* performer* author* informant* participant* \
         entryRelationship* reference* precondition* sdtc:precondition2* referenceRange* sdtc:inFulfillmentOf1*",
    ),
    (
        "procedure",
        "templateId* id* code? text? statusCode? effectiveTime? priorityCode? languageCode? methodCode* approachSiteCode* \
         targetSiteCode* subject? specimen* performer* author* informant* participant* entryRelationship* reference* \
         precondition* sdtc:precondition2* sdtc:inFulfillmentOf1*",
    ),
    (
        "substanceAdministration",
        "templateId* id* code? text? statusCode? effectiveTime* priorityCode? repeatNumber? routeCode? approachSiteCode* \
         doseQuantity? rateQuantity? maxDoseQuantity? administrationUnitCode? subject? specimen* consumable performer* author* \
         informant* participant* entryRelationship* reference* precondition* sdtc:precondition2* sdtc:inFulfillmentOf1*",
    ),
    (
        "supply",
        "templateId* id* code? text? statusCode? effectiveTime* priorityCode* repeatNumber? independentInd? quantity? \
         expectedUseTime? subject? specimen* product? performer* author* informant* participant* entryRelationship* reference* \
         precondition* sdtc:precondition2* sdtc:inFulfillmentOf1*",
    ),
    (
        "organizer",
        "templateId* id* sdtc:identifiedBy* code? statusCode effectiveTime? subject? specimen* performer* author* informant* \
         participant* reference* precondition* sdtc:precondition2* component* sdtc:inFulfillmentOf1*",
    ),
    ("observationRange", "templateId* code? text? value? interpretationCode? sdtc:precondition1*"),
    ("referenceRange", "templateId* observationRange"),
    (
        "entryRelationship",
        "templateId* sequenceNumber? seperatableInd? act? encounter? observation? observationMedia? organizer? procedure? \
         regionOfInterest? substanceAdministration? supply?",
    ),
    (
        "entry",
        "templateId* act? encounter? observation? observationMedia? organizer? procedure? regionOfInterest? \
         substanceAdministration? supply?",
    ),
    ("specimenRole", "templateId* id* sdtc:identifiedBy* specimenPlayingEntity?"),
    ("relatedSubject", "templateId* sdtc:id* code? addr* telecom* subject?"),
    ("guardian", "templateId* id* code? addr* telecom* guardianPerson? guardianOrganization?"),
    ("languageCommunication", "templateId* languageCode? modeCode? proficiencyLevelCode? preferenceInd?"),
    ("healthCareFacility", "templateId* id* code? location? serviceProviderOrganization?"),
];

/// Attributes that the schema asks for.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("act", "classCode"),
    ("act", "moodCode"),
    ("observation", "classCode"),
    ("observation", "moodCode"),
    ("organizer", "classCode"),
    ("organizer", "moodCode"),
    ("encounter", "classCode"),
    ("encounter", "moodCode"),
    ("procedure", "classCode"),
    ("procedure", "moodCode"),
    ("substanceAdministration", "classCode"),
    ("substanceAdministration", "moodCode"),
    ("supply", "classCode"),
    ("supply", "moodCode"),
    ("entryRelationship", "typeCode"),
    ("relatedDocument", "typeCode"),
    ("relatedEntity", "classCode"),
    ("relatedSubject", "classCode"),
    ("associatedEntity", "classCode"),
    ("encounterParticipant", "typeCode"),
];

/// What stays: FHIR has no code that CDA could have (a participant of an encounter without a type, to whom none of the five
/// types of the schema can be given), and one document has two organizations of one performer.
const KNOWN: &[&str] = &["encounterParticipant without @typeCode", "assignedEntity has 2 representedOrganization"];

/// What of an element is not as the schema has it.
fn faults(element: Element<'_>, out: &mut Vec<String>) {
    let path = || element.xpath();
    for (_, attribute) in ATTRIBUTES.iter().filter(|(name, _)| *name == element.name()) {
        if element.attribute(attribute).is_none() {
            out.push(format!("{} without @{attribute}: {}", element.name(), path()));
        }
    }
    if matches!(element.name(), "participant" | "performer")
        && element.parent().is_some_and(|parent| parent.name() != "serviceEvent")
        && element.name() == "participant"
        && element.attribute("typeCode").is_none()
    {
        out.push(format!("participant without @typeCode: {}", path()));
    }
    if element.name() == "value"
        && element.parent().is_some_and(|parent| parent.name().starts_with("observation"))
        && element.attribute("xsi:type").is_none()
    {
        out.push(format!("value without @xsi:type: {}", path()));
    }
    // The recipient's person has the name of the participation.
    let is_person = element.name() == "informationRecipient"
        && element.parent().is_some_and(|parent| parent.name() == "intendedRecipient");
    let Some((_, content)) = CONTENT.iter().find(|(name, _)| *name == element.name() && !is_person) else { return };
    let children: Vec<&str> = element
        .children()
        .map(|child| child.name())
        .filter(|name| !matches!(*name, "realmCode" | "typeId") || element.name() == "ClinicalDocument")
        .collect();
    let mut at = 0;
    for word in content.split_whitespace() {
        let name = word.trim_end_matches(['?', '+', '*']);
        let count = children[at..].iter().take_while(|child| **child == name).count();
        at += count;
        let fits = match word.as_bytes().last() {
            Some(b'*') => true,
            Some(b'+') => count > 0,
            Some(b'?') => count < 2,
            _ => count == 1,
        };
        if !fits {
            out.push(format!("{} has {count} {name}: {}", element.name(), path()));
        }
    }
    if let Some(child) = children.get(at) {
        out.push(format!("{} has {child} where it may not stand: {}", element.name(), path()));
    }
}

fn check(name: &str, bytes: &[u8], found: &mut BTreeMap<String, Vec<String>>) {
    let document = Document::parse(bytes, &Limits::default()).unwrap();
    let mut out = Vec::new();
    (0..).map_while(|id| document.element(id)).for_each(|element| faults(element, &mut out));
    for fault in out {
        let (what, place) = fault.split_once(": ").unwrap();
        if KNOWN.contains(&what) {
            continue;
        }
        found.entry(what.to_owned()).or_default().push(format!("{name}: {place}"));
    }
}

#[track_caller]
fn none(found: &BTreeMap<String, Vec<String>>) {
    let lines: Vec<String> =
        found.iter().map(|(what, places)| format!("{what}: {} times, first {}", places.len(), places[0])).collect();
    assert!(lines.is_empty(), "{} kinds\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn the_examples_are_written_as_the_schema_has_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packages/ccda-base/expected");
    let mut found = BTreeMap::new();
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "xml") {
            check(&path.file_name().unwrap().to_string_lossy(), &fs::read(&path).unwrap(), &mut found);
            count += 1;
        }
    }
    assert!(count > 2);
    none(&found);
}

#[test]
fn the_documents_of_the_corpus_come_back_as_the_schema_has_them() {
    let Some(corpus) = std::env::var_os("ANCHORLINE_CORPUS") else {
        return eprintln!("skipped: documents of the corpus written again: ANCHORLINE_CORPUS is not set");
    };
    let packages = Packages::embedded().unwrap();
    let package = packages.named("ccda-base").unwrap();
    let mut files = Vec::new();
    walk(&Path::new(&corpus).join("ccda"), &mut files);
    files.sort();
    let mut found = BTreeMap::new();
    // What only a vendor's file has: an element of its own where a leaf was kept as it stood.
    for file in files.iter().filter(|file| !file.to_string_lossy().contains("derived-wire-variants")) {
        let bytes = fs::read(file).unwrap();
        let Ok(document) = Document::parse(&bytes, &Limits::default()) else { continue };
        if document.root().name() != "ClinicalDocument" {
            continue;
        }
        let bundle = package.map_cda_counted(&document, &Context::default()).bundle;
        let written = package.write_cda(&bundle, &RenderContext::default()).bytes;
        check(&file.file_name().unwrap().to_string_lossy(), &written, &mut found);
    }
    none(&found);
}

fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            out.push(path);
        }
    }
}
