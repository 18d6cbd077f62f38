//! The operations table: name, definition, where each is asked and what of its definition is honoured.
//!
//! Routes, `/fhir/metadata`, the OpenAPI description and the reading of parameters are all made of it.

use crate::api::router::Endpoint;

/// One operation (FHIR R4 operations.html).
#[derive(Debug)]
pub struct Operation {
    /// The name without `$`.
    pub name: &'static str,
    /// The canonical of its definition.
    pub definition: &'static str,
    /// What it does.
    pub endpoint: Endpoint,
    /// Where it is asked.
    pub at: &'static [At],
    /// Whether it changes what is stored: then it is never asked by GET (operations.html, "Executing an Operation").
    pub changes: bool,
    /// The input parameters of its definition that are honoured; the others are refused by name.
    pub honours: &'static [&'static str],
}

/// One address of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// As in the route table; ends in `$name`.
    pub pattern: &'static str,
    /// The methods.
    pub by: By,
}

/// How an operation is asked at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// POST, with a Parameters resource or the one resource it takes.
    Post,
    /// The same, and GET with parameters in the query: nothing is changed, and every required parameter is primitive.
    Both,
    /// GET alone.
    Get,
}

const fn post(pattern: &'static str) -> At {
    At { pattern, by: By::Post }
}

const fn both(pattern: &'static str) -> At {
    At { pattern, by: By::Both }
}

const fn get(pattern: &'static str) -> At {
    At { pattern, by: By::Get }
}

/// The table.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "summary",
        definition: "http://hl7.org/fhir/uv/ips/OperationDefinition/summary",
        endpoint: Endpoint::Summary,
        at: &[get("/fhir/Patient/{id}/$summary")],
        changes: false,
        honours: &[],
    },
    Operation {
        name: "everything",
        definition: "http://hl7.org/fhir/OperationDefinition/Patient-everything",
        endpoint: Endpoint::Everything,
        at: &[both("/fhir/Patient/{id}/$everything")],
        changes: false,
        honours: &["start", "end", "_since", "_type", "_count"],
    },
    Operation {
        name: "everything",
        definition: "http://hl7.org/fhir/OperationDefinition/Encounter-everything",
        endpoint: Endpoint::EncounterEverything,
        at: &[both("/fhir/Encounter/{id}/$everything")],
        changes: false,
        honours: &["_since", "_type", "_count"],
    },
    Operation {
        name: "match",
        definition: "http://hl7.org/fhir/OperationDefinition/Patient-match",
        endpoint: Endpoint::Match,
        at: &[post("/fhir/Patient/$match")],
        changes: false,
        honours: &["resource", "onlyCertainMatches", "count"],
    },
    Operation {
        name: "document",
        definition: "http://hl7.org/fhir/OperationDefinition/Composition-document",
        endpoint: Endpoint::Document,
        at: &[get("/fhir/Composition/{id}/$document")],
        changes: false,
        honours: &["persist"],
    },
    Operation {
        name: "validate",
        definition: "http://hl7.org/fhir/OperationDefinition/Resource-validate",
        endpoint: Endpoint::Validate,
        // By GET only where the resource is one that is stored.
        at: &[post("/fhir/$validate"), post("/fhir/{type}/$validate"), both("/fhir/{type}/{id}/$validate")],
        changes: false,
        honours: &["resource", "mode", "profile"],
    },
    Operation {
        name: "meta",
        definition: "http://hl7.org/fhir/OperationDefinition/Resource-meta",
        endpoint: Endpoint::Meta,
        at: &[both("/fhir/$meta"), both("/fhir/{type}/$meta"), both("/fhir/{type}/{id}/$meta")],
        changes: false,
        honours: &[],
    },
    Operation {
        name: "meta-add",
        definition: "http://hl7.org/fhir/OperationDefinition/Resource-meta-add",
        endpoint: Endpoint::MetaAdd,
        at: &[post("/fhir/{type}/{id}/$meta-add")],
        changes: true,
        honours: &["meta"],
    },
    Operation {
        name: "meta-delete",
        definition: "http://hl7.org/fhir/OperationDefinition/Resource-meta-delete",
        endpoint: Endpoint::MetaDelete,
        at: &[post("/fhir/{type}/{id}/$meta-delete")],
        changes: true,
        honours: &["meta"],
    },
    Operation {
        name: "process-message",
        definition: "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message",
        endpoint: Endpoint::ProcessMessage,
        at: &[post("/fhir/$process-message")],
        changes: true,
        honours: &["content"],
    },
    Operation {
        name: "convert",
        definition: "http://hl7.org/fhir/OperationDefinition/Resource-convert",
        endpoint: Endpoint::ConvertResource,
        at: &[post("/fhir/$convert")],
        changes: false,
        honours: &["input"],
    },
    Operation {
        name: "lookup",
        definition: "http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup",
        endpoint: Endpoint::Lookup,
        at: &[both("/fhir/CodeSystem/$lookup")],
        changes: false,
        honours: &["code", "system", "version", "coding", "displayLanguage", "property"],
    },
    Operation {
        name: "validate-code",
        definition: "http://hl7.org/fhir/OperationDefinition/CodeSystem-validate-code",
        endpoint: Endpoint::ValidateCode,
        at: &[both("/fhir/CodeSystem/$validate-code"), both("/fhir/CodeSystem/{id}/$validate-code")],
        changes: false,
        honours: &["url", "codeSystem", "code", "version", "display", "coding", "codeableConcept", "displayLanguage"],
    },
    Operation {
        name: "subsumes",
        definition: "http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes",
        endpoint: Endpoint::Subsumes,
        at: &[both("/fhir/CodeSystem/$subsumes"), both("/fhir/CodeSystem/{id}/$subsumes")],
        changes: false,
        honours: &["codeA", "codeB", "system", "version", "codingA", "codingB"],
    },
    Operation {
        name: "expand",
        definition: "http://hl7.org/fhir/OperationDefinition/ValueSet-expand",
        endpoint: Endpoint::Expand,
        at: &[both("/fhir/ValueSet/$expand"), both("/fhir/ValueSet/{id}/$expand")],
        changes: false,
        honours: &[
            "url",
            "valueSet",
            "valueSetVersion",
            "filter",
            "offset",
            "count",
            "includeDesignations",
            "includeDefinition",
            "activeOnly",
            "excludeNested",
            "displayLanguage",
        ],
    },
    Operation {
        name: "validate-code",
        definition: "http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code",
        endpoint: Endpoint::ValidateMember,
        at: &[both("/fhir/ValueSet/$validate-code"), both("/fhir/ValueSet/{id}/$validate-code")],
        changes: false,
        honours: &[
            "url",
            "valueSet",
            "valueSetVersion",
            "code",
            "system",
            "systemVersion",
            "display",
            "coding",
            "codeableConcept",
            "displayLanguage",
        ],
    },
    Operation {
        name: "translate",
        definition: "http://hl7.org/fhir/OperationDefinition/ConceptMap-translate",
        endpoint: Endpoint::Translate,
        at: &[both("/fhir/ConceptMap/$translate"), both("/fhir/ConceptMap/{id}/$translate")],
        changes: false,
        honours: &[
            "url",
            "conceptMap",
            "conceptMapVersion",
            "code",
            "system",
            "version",
            "source",
            "coding",
            "codeableConcept",
            "target",
            "targetsystem",
            "dependency",
            "reverse",
        ],
    },
];

/// The operation that an endpoint is.
pub fn of(endpoint: Endpoint) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.endpoint == endpoint)
}
