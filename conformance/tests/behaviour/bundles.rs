//! What profiles ask of entries and of what they refer to.

use super::Case;

pub(crate) const CASES: &[Case] = &[
    Case {
        what: "entries sliced by the type of their resource",
        definitions: &[B_SL, PAT_NAMED],
        resource: r#"{"resourceType":"Bundle","type":"collection",
            "entry":[{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            "resource":{"resourceType":"Patient","name":[{"text":"x"}]}},
            {"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239521","resource":{"resourceType":"Observation",
            "status":"final","code":{"text":"x"}}}],
            "meta":{"profile":["http://t.example/StructureDefinition/b-sl"]}}"#,
        error_at: None,
    },
    Case {
        what: "the resource of an entry against the profile of its slice",
        definitions: &[B_SL, PAT_NAMED],
        resource: r#"{"resourceType":"Bundle","type":"collection",
            "entry":[{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            "resource":{"resourceType":"Patient","active":true}},
            {"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239521","resource":{"resourceType":"Observation",
            "status":"final","code":{"text":"x"}}}],
            "meta":{"profile":["http://t.example/StructureDefinition/b-sl"]}}"#,
        error_at: Some("Bundle.entry[0].resource"),
    },
    Case {
        what: "entries sliced by the profile of their resource",
        definitions: &[B_SLP, PAT_NAMED],
        resource: r#"{"resourceType":"Bundle","type":"collection",
            "entry":[{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            "resource":{"resourceType":"Patient","active":true}}],
            "meta":{"profile":["http://t.example/StructureDefinition/b-slp"]}}"#,
        error_at: Some("Bundle"),
    },
    Case {
        what: "a reference of a slice in a document",
        definitions: &[CMP],
        resource: r#"{"resourceType":"Bundle","type":"document","entry":[{"fullUrl":"http://x.example/Composition/c",
            "resource":{"resourceType":"Composition","id":"c","status":"final","type":{"text":"t"},
            "date":"2020-01-01","title":"T","author":[{"display":"d"}],"section":[{"title":"s",
            "code":{"coding":[{"system":"urn:x:s","code":"al"}]},"text":{"status":"generated",
            "div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"},
            "entry":[{"reference":"Observation/o"}]}],
            "meta":{"profile":["http://t.example/StructureDefinition/cmp"]}}},
            {"fullUrl":"http://x.example/Observation/o","resource":{"resourceType":"Observation",
            "status":"final","code":{"text":"x"},"id":"o"}}],"identifier":{"system":"urn:ietf:rfc:3986",
            "value":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"},"timestamp":"2020-01-01T00:00:00Z"}"#,
        error_at: Some("Bundle.entry[0].resource.section[0].entry[0]"),
    },
];

const B_SL: &str = r#"{"resourceType":"StructureDefinition","url":"http://t.example/StructureDefinition/b-sl",
    "version":"1.0.0","name":"b_sl","status":"active","kind":"resource","abstract":false,
    "type":"Bundle","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Bundle",
    "derivation":"constraint","differential":{"element":[{"id":"Bundle","path":"Bundle"},
    {"id":"Bundle.entry","path":"Bundle.entry","slicing":{"discriminator":[{"type":"type",
    "path":"resource"}],"rules":"open"},"min":1},{"id":"Bundle.entry:pat","path":"Bundle.entry",
    "sliceName":"pat","min":1,"max":"1"},{"id":"Bundle.entry:pat.resource",
    "path":"Bundle.entry.resource","min":1,"type":[{"code":"Patient",
    "profile":["http://t.example/StructureDefinition/pat-named"]}]}]}}"#;

const PAT_NAMED: &str = r#"{"resourceType":"StructureDefinition","url":"http://t.example/StructureDefinition/pat-named",
    "version":"1.0.0","name":"pat_named","status":"active","kind":"resource","abstract":false,
    "type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation":"constraint","differential":{"element":[{"id":"Patient","path":"Patient"},
    {"id":"Patient.name","path":"Patient.name","min":1}]}}"#;

const B_SLP: &str = r#"{"resourceType":"StructureDefinition","url":"http://t.example/StructureDefinition/b-slp",
    "version":"1.0.0","name":"b_slp","status":"active","kind":"resource","abstract":false,
    "type":"Bundle","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Bundle",
    "derivation":"constraint","differential":{"element":[{"id":"Bundle","path":"Bundle"},
    {"id":"Bundle.entry","path":"Bundle.entry","slicing":{"discriminator":[{"type":"profile",
    "path":"resource"}],"rules":"open"},"min":1},{"id":"Bundle.entry:pat","path":"Bundle.entry",
    "sliceName":"pat","min":1,"max":"1"},{"id":"Bundle.entry:pat.resource",
    "path":"Bundle.entry.resource","min":1,"type":[{"code":"Patient",
    "profile":["http://t.example/StructureDefinition/pat-named"]}]}]}}"#;

const CMP: &str = r#"{"resourceType":"StructureDefinition","url":"http://t.example/StructureDefinition/cmp",
    "version":"1.0.0","name":"cmp","status":"active","kind":"resource","abstract":false,
    "type":"Composition","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Composition",
    "derivation":"constraint","differential":{"element":[{"id":"Composition","path":"Composition"},
    {"id":"Composition.section","path":"Composition.section",
    "slicing":{"discriminator":[{"type":"pattern","path":"code"}],"rules":"open"},"min":1},
    {"id":"Composition.section:al","path":"Composition.section","sliceName":"al","min":1,"max":"1"},
    {"id":"Composition.section:al.code","path":"Composition.section.code","min":1,
    "patternCodeableConcept":{"coding":[{"system":"urn:x:s","code":"al"}]}},
    {"id":"Composition.section:al.entry","path":"Composition.section.entry","type":[{"code":"Reference",
    "targetProfile":["http://hl7.org/fhir/StructureDefinition/AllergyIntolerance"]}]}]}}"#;
