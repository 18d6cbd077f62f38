//! Codes, value sets and units.

use super::Case;

pub(crate) const CASES: &[Case] = &[
    Case {
        what: "a code that is not in the value set of a profile",
        definitions: &[BND_REQUIRED, MS],
        resource: r#"{"resourceType":"Patient",
            "maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus",
            "code":"D"}]},"meta":{"profile":["http://t.example/StructureDefinition/bnd-required"]}}"#,
        error_at: Some("Patient.maritalStatus"),
    },
    Case {
        what: "a code that is not in the greatest value set of a profile",
        definitions: &[BND_MAX, MS],
        resource: r#"{"resourceType":"Patient",
            "maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus",
            "code":"D"}]},"meta":{"profile":["http://t.example/StructureDefinition/bnd-max"]}}"#,
        error_at: Some("Patient.maritalStatus"),
    },
    Case {
        what: "a mandatory code that is missing, with an extension in its place",
        definitions: &[],
        resource: r#"{"resourceType":"Observation","_status":{"extension":[
            {"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]},
            "code":{"text":"t"}}"#,
        error_at: None,
    },
    Case {
        what: "a display that the code does not have",
        definitions: &[C],
        resource: r#"{"resourceType":"Observation","status":"final",
            "code":{"coding":[{"system":"http://t.example/CodeSystem/c","code":"a","display":"Beta"}]}}"#,
        error_at: Some("Observation.code.coding[0].display"),
    },
    Case {
        what: "a display in other letters",
        definitions: &[C],
        resource: r#"{"resourceType":"Observation","status":"final",
            "code":{"coding":[{"system":"http://t.example/CodeSystem/c","code":"a","display":"alpha"}]}}"#,
        error_at: None,
    },
    Case {
        what: "a display that is a designation of the code",
        definitions: &[C],
        resource: r#"{"resourceType":"Observation","status":"final",
            "code":{"coding":[{"system":"http://t.example/CodeSystem/c","code":"a","display":"Anfang"}]}}"#,
        error_at: None,
    },
    Case {
        what: "a display in the language of the resource",
        definitions: &[C],
        resource: r#"{"resourceType":"Observation","status":"final",
            "code":{"coding":[{"system":"http://t.example/CodeSystem/c","code":"a","display":"Beta"}]},
            "language":"de"}"#,
        error_at: None,
    },
    Case {
        what: "another display of a code of a table that has changed",
        definitions: &[],
        resource: r#"{"resourceType":"Patient",
            "maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus",
            "code":"M","display":"Single"}]}}"#,
        error_at: None,
    },
    Case {
        what: "a code below the one a value set names",
        definitions: &[C_OTHER, F, OB_F],
        resource: r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
            "valueCodeableConcept":{"coding":[{"system":"http://t.example/CodeSystem/c","code":"a21"}]},
            "meta":{"profile":["http://t.example/StructureDefinition/ob-f"]}}"#,
        error_at: None,
    },
    Case {
        what: "the code itself where a value set takes those below it",
        definitions: &[C_OTHER, F_OTHER, OB_F],
        resource: r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
            "valueCodeableConcept":{"coding":[{"system":"http://t.example/CodeSystem/c","code":"a"}]},
            "meta":{"profile":["http://t.example/StructureDefinition/ob-f"]}}"#,
        error_at: Some("Observation.value.ofType(CodeableConcept)"),
    },
    Case {
        what: "a code that a value set leaves out",
        definitions: &[C_OTHER, F_OTHER_OTHER, OB_F],
        resource: r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
            "valueCodeableConcept":{"coding":[{"system":"http://t.example/CodeSystem/c","code":"a1"}]},
            "meta":{"profile":["http://t.example/StructureDefinition/ob-f"]}}"#,
        error_at: Some("Observation.value.ofType(CodeableConcept)"),
    },
    Case {
        what: "a code of another system where the binding is required",
        definitions: &[],
        resource: r#"{"resourceType":"Condition","subject":{"reference":"Patient/1"},
            "clinicalStatus":{"coding":[{"system":"urn:x:y","code":"active"}]}}"#,
        error_at: Some("Condition.clinicalStatus"),
    },
    Case {
        what: "a value set with a code that its system does not have",
        definitions: &[],
        resource: r#"{"resourceType":"ValueSet","url":"http://t.example/ValueSet/v","name":"V","status":"active",
            "compose":{"include":[{"system":"http://hl7.org/fhir/administrative-gender",
            "concept":[{"code":"xx"}]}]}}"#,
        error_at: Some("ValueSet.compose.include[0].concept[0]"),
    },
    Case {
        what: "a code system with a code twice",
        definitions: &[],
        resource: r#"{"resourceType":"CodeSystem","url":"http://t.example/CodeSystem/c","name":"C","status":"active",
            "content":"complete","caseSensitive":true,"concept":[{"code":"a"},{"code":"b",
            "concept":[{"code":"a"}]}]}"#,
        error_at: Some("CodeSystem"),
    },
    Case {
        what: "a map of a code that its system does not have",
        definitions: &[],
        resource: r#"{"resourceType":"ConceptMap","url":"http://t.example/ConceptMap/m","name":"M","status":"active",
            "group":[{"source":"http://hl7.org/fhir/administrative-gender","target":"urn:x:y",
            "element":[{"code":"zz","target":[{"code":"a","equivalence":"equal"}]}]}]}"#,
        error_at: Some("ConceptMap.group[0].element[0].code"),
    },
    Case {
        what: "a quantity within bounds in another unit",
        definitions: &[MQ],
        resource: r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1500,
            "system":"http://unitsofmeasure.org","code":"mg"},
            "meta":{"profile":["http://t.example/StructureDefinition/mq"]}}"#,
        error_at: None,
    },
    Case {
        what: "a quantity over its bound in another unit",
        definitions: &[MQ],
        resource: r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1,
            "system":"http://unitsofmeasure.org","code":"kg"},
            "meta":{"profile":["http://t.example/StructureDefinition/mq"]}}"#,
        error_at: Some("Observation.value.ofType(Quantity)"),
    },
];

const BND_REQUIRED: &str = r#"{"resourceType":"StructureDefinition","url":"http://t.example/StructureDefinition/bnd-required",
    "version":"1.0.0","name":"bnd_required","status":"active","kind":"resource","abstract":false,
    "type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation":"constraint","differential":{"element":[{"id":"Patient","path":"Patient"},
    {"id":"Patient.maritalStatus","path":"Patient.maritalStatus","binding":{"strength":"required",
    "valueSet":"http://t.example/ValueSet/ms|1.0.0"}}]}}"#;

const MS: &str = r#"{"resourceType":"ValueSet","url":"http://t.example/ValueSet/ms","version":"1.0.0","name":"MS",
    "status":"active",
    "compose":{"include":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus",
    "concept":[{"code":"M"},{"code":"S"}]}]}}"#;

const BND_MAX: &str = r#"{"resourceType":"StructureDefinition","url":"http://t.example/StructureDefinition/bnd-max",
    "version":"1.0.0","name":"bnd_max","status":"active","kind":"resource","abstract":false,
    "type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation":"constraint","differential":{"element":[{"id":"Patient","path":"Patient"},
    {"id":"Patient.maritalStatus","path":"Patient.maritalStatus","binding":{"strength":"extensible",
    "valueSet":"http://hl7.org/fhir/ValueSet/marital-status",
    "extension":[{"url":"http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet",
    "valueCanonical":"http://t.example/ValueSet/ms"}]}}]}}"#;

const C: &str = r#"{"resourceType":"CodeSystem","url":"http://t.example/CodeSystem/c","name":"C","status":"active",
    "content":"complete","caseSensitive":true,"concept":[{"code":"a","display":"Alpha",
    "designation":[{"language":"de","value":"Anfang"}]}],"language":"en"}"#;

const C_OTHER: &str = r#"{"resourceType":"CodeSystem","url":"http://t.example/CodeSystem/c","name":"C","status":"active",
    "content":"complete","caseSensitive":true,"concept":[{"code":"a","concept":[{"code":"a1"},
    {"code":"a2","concept":[{"code":"a21"}]}]},{"code":"b","property":[{"code":"inactive",
    "valueBoolean":true}]}],"property":[{"code":"inactive","type":"boolean"}],"hierarchyMeaning":"is-a"}"#;

const F: &str = r#"{"resourceType":"ValueSet","url":"http://t.example/ValueSet/f","name":"F","status":"active",
    "compose":{"include":[{"system":"http://t.example/CodeSystem/c","filter":[{"property":"concept",
    "op":"is-a","value":"a"}]}]}}"#;

const OB_F: &str = r#"{"resourceType":"StructureDefinition","url":"http://t.example/StructureDefinition/ob-f",
    "version":"1.0.0","name":"ob_f","status":"active","kind":"resource","abstract":false,
    "type":"Observation","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Observation",
    "derivation":"constraint","differential":{"element":[{"id":"Observation","path":"Observation"},
    {"id":"Observation.value[x]","path":"Observation.value[x]","type":[{"code":"CodeableConcept"}],
    "binding":{"strength":"required","valueSet":"http://t.example/ValueSet/f"}}]}}"#;

const F_OTHER: &str = r#"{"resourceType":"ValueSet","url":"http://t.example/ValueSet/f","name":"F","status":"active",
    "compose":{"include":[{"system":"http://t.example/CodeSystem/c","filter":[{"property":"concept",
    "op":"descendent-of","value":"a"}]}]}}"#;

const F_OTHER_OTHER: &str = r#"{"resourceType":"ValueSet","url":"http://t.example/ValueSet/f","name":"F","status":"active",
    "compose":{"include":[{"system":"http://t.example/CodeSystem/c"}],
    "exclude":[{"system":"http://t.example/CodeSystem/c","concept":[{"code":"a1"}]}]}}"#;

const MQ: &str = r#"{"resourceType":"StructureDefinition","url":"http://t.example/StructureDefinition/mq",
    "version":"1.0.0","name":"mq","status":"active","kind":"resource","abstract":false,
    "type":"Observation","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Observation",
    "derivation":"constraint","differential":{"element":[{"id":"Observation","path":"Observation"},
    {"id":"Observation.value[x]","path":"Observation.value[x]","type":[{"code":"Quantity"}],
    "minValueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"g"},
    "maxValueQuantity":{"value":2,"system":"http://unitsofmeasure.org","code":"g"}}]}}"#;
