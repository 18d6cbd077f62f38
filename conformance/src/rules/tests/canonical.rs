use super::{finds, finds_with, passes};

fn code_system(more: &str) -> String {
    format!(r#"{{"resourceType":"CodeSystem","url":"http://x.org/cs","status":"active",{more}}}"#)
}

#[test]
fn code_systems_are_what_they_say() {
    let concepts = r#""concept":[{"code":"a"},{"code":"b"}]"#;
    finds(&code_system(&format!(r#""content":"not-present",{concepts}"#)), "error invalid at CodeSystem.concept[0]");
    finds(&code_system(&format!(r#""content":"complete","count":3,{concepts}"#)), "error invalid at CodeSystem.count");
    passes(&code_system(&format!(r#""content":"complete","count":2,{concepts}"#)), &[], "error");
    finds(&code_system(r#""content":"complete""#), "warning business-rule at CodeSystem: expected concepts");
    finds(
        &code_system(r#""content":"complete","concept":[{"code":"a","concept":[{"code":"a"}]}]"#),
        "expected a code once",
    );
    finds(&code_system(r#""content":"complete","supplements":"http://x.org/o""#), "expected content supplement");
    finds(&code_system(r#""content":"supplement""#), "expected a supplement to say what it supplements");
}

#[test]
fn a_supplement_adds_to_codes_that_are_there() {
    let base = code_system(r#""content":"complete","concept":[{"code":"a"}]"#);
    let supplement = r#"{"resourceType":"CodeSystem","url":"http://x.org/s","status":"active","content":"supplement",
        "supplements":"http://x.org/cs","concept":[{"code":"z"}]}"#;
    finds_with(
        supplement,
        &[&base],
        "error business-rule at CodeSystem.concept[0]: expected a code of the code system",
    );
}

#[test]
fn properties_of_concepts_are_defined_and_typed() {
    let with = |value: &str| {
        code_system(&format!(
            r#""content":"complete","property":[{{"code":"parent","uri":"http://hl7.org/fhir/concept-properties#parent","type":"code"}},
            {{"code":"n","type":"integer"}}],"concept":[{{"code":"a","property":[{{{value}}}]}}]"#
        ))
    };
    finds(&with(r#""code":"z","valueString":"x""#), "expected the property to be defined");
    finds(&with(r#""code":"n","valueString":"x""#), "expected a value of type integer");
    finds(&with(r#""code":"parent","valueCode":"z""#), "error invalid at CodeSystem.concept[0].property[0]");
    passes(&with(r#""code":"parent","valueCode":"a""#), &[], "error");
    let typed = r#""content":"complete","property":[{"code":"status","uri":"http://hl7.org/fhir/concept-properties#status","type":"string"}]"#;
    finds(&code_system(typed), "expected the type code for the property status");
}

fn value_set(include: &str) -> String {
    format!(
        r#"{{"resourceType":"ValueSet","url":"http://x.org/vs","status":"active","compose":{{"include":[{{{include}}}]}}}}"#
    )
}

#[test]
fn value_sets_include_what_is_there() {
    finds(
        &value_set(r#""system":"x""#),
        "error invalid at ValueSet.compose.include[0]: expected the system to be an absolute URL",
    );
    finds(&value_set(r##""system":"#x""##), "expected one contained code system");
    finds(&value_set(r#""system":"http://x.org/cs|1""#), "expected the version of the system in version");
    finds(
        &value_set(r#""valueSet":["http://x.org/other"]"#),
        "warning business-rule at ValueSet.compose.include[0].valueSet[0]",
    );
    let system = code_system(r#""content":"complete","concept":[{"code":"a"}]"#);
    let with = |code: &str| value_set(&format!(r#""system":"http://x.org/cs","concept":[{{"code":"{code}"}}]"#));
    finds_with(&with("z"), &[&system], "error business-rule at ValueSet.compose.include[0].concept[0]");
    passes(&with("a"), &[&system], "error");
    let set = value_set("");
    let wrong = value_set(r#""system":"http://x.org/other""#);
    finds_with(
        &wrong,
        &[&set.replace("http://x.org/vs", "http://x.org/other")],
        "expected a code system, not a value set",
    );
}

#[test]
fn filters_fit_their_property() {
    let with = |filter: &str| value_set(&format!(r#""system":"http://snomed.info/sct","filter":[{{{filter}}}]"#));
    finds(
        &with(r#""property":"inactive","op":"=","value":"1""#),
        "expected the value of the filter to be true or false",
    );
    finds(&with(r#""property":"1142143009","op":"not-in","value":"1""#), "expected one of the operations =, in");
    finds(&with(r#""property":"concept","op":"regex","value":"x""#), "regex does not fit concept");
    finds(&with(r#""property":"concept","op":"exists","value":"x""#), "true or false");
    passes(&with(r#""property":"concept","op":"is-a","value":"73211009""#), &[], "error");
}

#[test]
fn maps_have_codes_of_both_systems() {
    let system = code_system(r#""content":"complete","concept":[{"code":"a"}]"#);
    let map = |source: &str, target: &str| {
        format!(
            r#"{{"resourceType":"ConceptMap","status":"active","group":[{{"source":"http://x.org/cs","target":"http://x.org/cs",
            "element":[{{"code":"{source}","target":[{{"code":"{target}","equivalence":"equal"}}]}}]}}]}}"#
        )
    };
    passes(&map("a", "a"), &[&system], "error");
    finds_with(&map("z", "a"), &[&system], "error required at ConceptMap.group[0].element[0].code");
    finds_with(&map("a", "z"), &[&system], "error required at ConceptMap.group[0].element[0].target[0].code");
}

#[test]
fn search_parameters_keep_to_what_they_are_derived_from() {
    let origin = r#"{"resourceType":"SearchParameter","url":"http://x.org/o","name":"o","status":"active","description":"x",
        "code":"o","base":["Organization"],"type":"string","expression":"Organization.name"}"#;
    let derived = |base: &str, kind: &str| {
        format!(
            r#"{{"resourceType":"SearchParameter","url":"http://x.org/d","name":"d","status":"active","description":"x",
            "derivedFrom":"http://x.org/o","code":"d","base":["{base}"],"type":"{kind}","expression":"{base}.name"}}"#
        )
    };
    passes(&derived("Organization", "string"), &[origin], "error business-rule");
    finds_with(&derived("Patient", "string"), &[origin], "expected base types of the parameter");
    finds_with(&derived("Organization", "token"), &[origin], "expected the type of the parameter");
    let composite = derived("Organization", "composite");
    finds(&composite, "expected a composite to have components");
}

#[test]
fn capabilities_name_parameters_as_they_are_defined() {
    let origin = r#"{"resourceType":"SearchParameter","url":"http://x.org/o","name":"o","status":"active","description":"x",
        "code":"o","base":["Organization"],"type":"string"}"#;
    let statement = r#"{"resourceType":"CapabilityStatement","status":"active","date":"2020","kind":"requirements",
        "fhirVersion":"4.0.1","format":["json"],"rest":[{"mode":"server","resource":[{"type":"Organization",
        "searchParam":[{"name":"o","definition":"http://x.org/o","type":"token"}]}]}]}"#;
    finds_with(statement, &[origin], "warning invalid at CapabilityStatement.rest[0].resource[0].searchParam[0]");
}

/// A constraint on Patient with this differential.
fn structure(elements: &str) -> String {
    format!(
        r#"{{"resourceType":"StructureDefinition","url":"http://x.org/p","name":"P","status":"active","kind":"resource",
        "abstract":false,"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation":"constraint","differential":{{"element":[{elements}]}}}}"#
    )
}

#[test]
fn elements_of_a_profile_fit_their_type() {
    let element = |more: &str| structure(&format!(r#"{{"id":"Patient.birthDate","path":"Patient.birthDate",{more}}}"#));
    passes(&element(r#""min":1"#), &[], "error");
    finds(
        &element(r#""type":[{"code":"date"}],"binding":{"strength":"required"}"#),
        "error business-rule at StructureDefinition.differential.element[0]: expected no binding",
    );
    finds(&structure(r#"{"id":"Person","path":"Person"}"#), "expected the path to start with the type");
    finds(
        &structure(r#"{"id":"Patient","path":"Patient","slicing":{"rules":"open"}}"#),
        "expected no slicing of the root",
    );
    let sliced = |name: &str, path: &str| {
        structure(&format!(
            r#"{{"id":"Patient.{name}","path":"Patient.{name}","slicing":{{"discriminator":[{{"type":"value","path":"{path}"}}],"rules":"open"}}}}"#
        ))
    };
    finds(&sliced("birthDate", "$this"), "expected slicing of elements that repeat");
    finds(&sliced("name", "nothing"), "expected a path of the element that is sliced");
    passes(&sliced("name", "period.start"), &[], "expected a path");
    passes(&sliced("extension", "url"), &[], "expected a path");
    passes(&sliced("generalPractitioner", "resolve()"), &[], "expected a path");
}

#[test]
fn profiles_say_what_they_constrain() {
    let good = structure(r#"{"id":"Patient.birthDate","path":"Patient.birthDate","min":1}"#);
    finds(&good.replace(r#""kind":"resource""#, r#""kind":"logical""#), "expected the kind of the base");
    finds(&good.replace(r#""type":"Patient""#, r#""type":"Person""#), "expected the type of the base");
    finds(&good.replace(r#""type":"Patient""#, r#""type":"Nothing""#), "expected a type of R4");
    let context = good.replace(r#""kind""#, r#""context":[{"type":"element","expression":"Patient"}],"kind""#);
    finds(&context, "expected a context on definitions of extensions only");
    let unknown = good.replace("StructureDefinition/Patient", "StructureDefinition/Nothing");
    finds(&unknown, "warning not-found at StructureDefinition: the base is not known here");
}

#[test]
fn extensions_say_their_own_url() {
    let extension = |fixed: &str| {
        format!(
            r#"{{"resourceType":"StructureDefinition","url":"http://x.org/e","name":"E","status":"active","kind":"complex-type",
            "abstract":false,"context":[{{"type":"element","expression":"Patient.nothing"}}],"type":"Extension",
            "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Extension","derivation":"constraint",
            "differential":{{"element":[{{"id":"Extension.url","path":"Extension.url","fixedUri":"{fixed}"}}]}}}}"#
        )
    };
    finds(&extension("http://x.org/other"), "expected Extension.url to be fixed to url");
    passes(&extension("http://x.org/e"), &[], "Extension.url");
    finds(&extension("http://x.org/e"), "expected the context to be an element that exists");
}

#[test]
fn profiles_of_operations_have_their_parameters() {
    let operation = r#"{"resourceType":"OperationDefinition","name":"O","status":"active","kind":"operation","code":"o",
        "system":true,"type":false,"instance":false,"inputProfile":"http://hl7.org/fhir/StructureDefinition/Patient"}"#;
    finds(operation, "expected a profile of Parameters");
    finds(&operation.replace("Patient", "Nothing"), "error unknown at OperationDefinition.inputProfile");
}

#[test]
fn differentials_have_elements_of_the_base() {
    let unknown = structure(r#"{"id":"Patient.colour","path":"Patient.colour","min":1}"#);
    finds(&unknown, "error invalid at StructureDefinition.differential.element[0]: expected an element of the base");
    finds(&unknown, "error invalid at StructureDefinition: expected every element of the differential");
    let choice = structure(r#"{"id":"Patient.deceasedBla","path":"Patient.deceasedBla","min":1}"#);
    finds(&choice, "error exception at StructureDefinition: expected a choice to be named with [x]");
}
