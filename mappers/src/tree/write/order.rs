//! The order in which the CDA R2 schema has the children of an element.

/// Children of the document.
const DOCUMENT: &[&str] = &[
    "realmCode",
    "typeId",
    "templateId",
    "id",
    "code",
    "title",
    "sdtc:statusCode",
    "effectiveTime",
    "confidentialityCode",
    "languageCode",
    "setId",
    "versionNumber",
    "copyTime",
    "recordTarget",
    "author",
    "dataEnterer",
    "informant",
    "custodian",
    "informationRecipient",
    "legalAuthenticator",
    "authenticator",
    "participant",
    "inFulfillmentOf",
    "documentationOf",
    "relatedDocument",
    "authorization",
    "componentOf",
    "component",
];

/// Children of sections and clinical statements.
const STATEMENT: &[&str] = &[
    "realmCode",
    "typeId",
    "templateId",
    "id",
    "sdtc:identifiedBy",
    "code",
    "derivationExpr",
    "title",
    "text",
    "statusCode",
    "effectiveTime",
    "availabilityTime",
    "priorityCode",
    "repeatNumber",
    "independentInd",
    "confidentialityCode",
    "languageCode",
    "routeCode",
    "approachSiteCode",
    "doseQuantity",
    "rateQuantity",
    "maxDoseQuantity",
    "administrationUnitCode",
    "quantity",
    "expectedUseTime",
    "value",
    "interpretationCode",
    "methodCode",
    "targetSiteCode",
    "sdtc:dischargeDispositionCode",
    "sdtc:category",
    "dischargeDispositionCode",
    "subject",
    "specimen",
    "product",
    "consumable",
    "performer",
    "author",
    "dataEnterer",
    "informant",
    "participant",
    "responsibleParty",
    "encounterParticipant",
    "location",
    "entry",
    "entryRelationship",
    "reference",
    "precondition",
    "sdtc:precondition2",
    "sdtc:inFulfillmentOf1",
    "referenceRange",
    "component",
];

/// Children of roles, entities and datatypes, all in one order that fits each of them.
const ROLE: &[&str] = &[
    "realmCode",
    "typeId",
    "templateId",
    "sdtc:functionCode",
    "functionCode",
    "sdtc:functionCode",
    "time",
    "signatureCode",
    "sdtc:signatureText",
    "awarenessCode",
    "id",
    "sdtc:identifiedBy",
    "classCode",
    "code",
    "sdtc:specialty",
    "prefix",
    "given",
    "family",
    "suffix",
    "name",
    "quantity",
    "desc",
    "houseNumber",
    "streetAddressLine",
    "streetName",
    "additionalLocator",
    "unitID",
    "postBox",
    "city",
    "county",
    "state",
    "postalCode",
    "country",
    "effectiveTime",
    "manufacturerModelName",
    "softwareName",
    "administrativeGenderCode",
    "birthTime",
    "sdtc:deceasedInd",
    "sdtc:deceasedTime",
    "sdtc:multipleBirthInd",
    "sdtc:multipleBirthOrderNumber",
    "maritalStatusCode",
    "religiousAffiliationCode",
    "raceCode",
    "sdtc:raceCode",
    "ethnicGroupCode",
    "sdtc:ethnicGroupCode",
    "lotNumberText",
    "telecom",
    "addr",
    "standardIndustryClassCode",
    "assignedPerson",
    "assignedAuthoringDevice",
    "informationRecipient",
    "relatedPerson",
    "associatedPerson",
    "patient",
    "subject",
    "guardianPerson",
    "guardianOrganization",
    "guardian",
    "birthplace",
    "languageCode",
    "modeCode",
    "proficiencyLevelCode",
    "preferenceInd",
    "languageCommunication",
    "manufacturedMaterial",
    "manufacturedLabeledDrug",
    "manufacturerOrganization",
    "playingDevice",
    "playingEntity",
    "specimenPlayingEntity",
    "scopingEntity",
    "location",
    "representedOrganization",
    "representedCustodianOrganization",
    "receivedOrganization",
    "serviceProviderOrganization",
    "scopingOrganization",
    "providerOrganization",
    "asOrganizationPartOf",
    "assignedEntity",
    "relatedEntity",
    "assignedAuthor",
    "associatedEntity",
    "originalText",
    "qualifier",
    "translation",
    "low",
    "center",
    "width",
    "high",
    "numerator",
    "denominator",
    "event",
    "offset",
    "phase",
    "period",
    "text",
    "value",
    "interpretationCode",
];

/// Elements that name and address parts the other way: the address before the telephone.
const ADDRESS_FIRST: &[&str] = &[
    "patientRole",
    "assignedAuthor",
    "assignedEntity",
    "relatedEntity",
    "intendedRecipient",
    "associatedEntity",
    "guardian",
    "participantRole",
    "healthCareFacility",
];

/// Whether an element's text and elements stand as they were written.
pub(super) fn is_mixed(name: &str) -> bool {
    matches!(
        name,
        "paragraph"
            | "content"
            | "td"
            | "th"
            | "caption"
            | "item"
            | "list"
            | "table"
            | "thead"
            | "tbody"
            | "tfoot"
            | "tr"
    )
}

/// Whether the schema has no such child there, however another element of its kind has one.
pub(super) fn is_foreign(parent: &str, child: &str) -> bool {
    match parent {
        "procedure" => matches!(child, "value" | "time" | "quantity" | "interpretationCode"),
        "act" => matches!(child, "value" | "methodCode" | "targetSiteCode" | "interpretationCode" | "component"),
        "observation" => matches!(child, "component" | "time" | "quantity"),
        "organizer" => matches!(child, "text" | "title" | "value" | "translation" | "entryRelationship"),
        "encompassingEncounter" => matches!(child, "statusCode" | "text" | "sdtc:dischargeDispositionCode"),
        "healthCareFacility" | "participantRole" => {
            matches!(child, "serviceProviderOrganization")
                || (parent == "healthCareFacility" && child == "playingEntity")
        }
        "section" => child == "effectiveTime",
        "ClinicalDocument" => child == "section",
        _ => false,
    }
}

/// Where a child stands among those of its parent.
pub(super) fn rank(parent: &str, child: &str) -> usize {
    let list = match parent {
        "ClinicalDocument" => DOCUMENT,
        "section"
        | "act"
        | "observation"
        | "procedure"
        | "substanceAdministration"
        | "supply"
        | "encounter"
        | "organizer"
        | "encompassingEncounter"
        | "serviceEvent"
        | "observationRange" => STATEMENT,
        "entryRelationship" => return 0,
        _ => ROLE,
    };
    let of = |name: &str| list.iter().position(|known| *known == name).unwrap_or(list.len());
    if ADDRESS_FIRST.contains(&parent) && matches!(child, "telecom" | "addr") {
        // Between them the list has them once.
        return of("telecom") * 2 + usize::from(child == "telecom");
    }
    of(child) * 2
}
