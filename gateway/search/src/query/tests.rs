use std::sync::LazyLock;

use model::id::ResourceId;
use model::json::{Json, Limits, parse as parse_json};
use proptest::prelude::*;

use super::*;
use crate::error::SearchError;
use crate::query::parse::parse;

const BASE: &str = "https://here.example/fhir";

static REGISTRY: LazyLock<std::sync::Arc<Registry>> = LazyLock::new(Registry::standard);

fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    query.split('&').filter(|it| !it.is_empty()).map(pair).collect()
}

struct Codes;

impl Host for Codes {
    fn codes(&self, set: CodeSet<'_>) -> Result<Vec<Code>, NoCodes> {
        let code = |code: &str| Code { system: "urn:s".to_owned(), code: code.to_owned() };
        match set {
            CodeSet::ValueSet("urn:vs") => Ok(vec![code("a"), code("b")]),
            CodeSet::Below { system: "urn:s", code: "top" } => Ok(vec![code("top"), code("a")]),
            CodeSet::ValueSet("urn:big") => Err(NoCodes::TooMany),
            _ => Err(NoCodes::Unknown),
        }
    }
}

fn options() -> Options<'static> {
    let now = Instant::parse("2026-06-20T00:00:00Z").unwrap();
    Options { base: BASE, host: &Codes, now, ..Options::new(&REGISTRY) }
}

fn of(names: &str) -> Vec<ResourceType> {
    names.split(',').filter(|name| !name.is_empty()).map(|name| ResourceType::parse(name).unwrap()).collect()
}

fn read(resource_type: &str, query: &str) -> Result<Query, Vec<SearchError>> {
    parse(&of(resource_type), &pairs(query), &options())
}

#[track_caller]
fn refused(resource_type: &str, query: &str, says: &str) {
    let errors = read(resource_type, query).unwrap_err();
    let text: Vec<String> = errors.iter().map(SearchError::to_string).collect();
    assert!(text.iter().any(|text| text.contains(says)), "{query}: {text:?}");
}

fn json(text: &str) -> Json {
    parse_json(text.as_bytes(), &Limits::default()).unwrap()
}

fn found(resource: &str, query: &str) -> bool {
    let json = json(resource);
    let text = |name: &str| json.get(name).unwrap().as_str().unwrap().to_owned();
    let (resource_type, id) = (text("resourceType"), text("id"));
    let query = read(&resource_type, query).unwrap_or_else(|errors| panic!("{query}: {errors:?}"));
    let updated = Instant::parse("2026-06-15T10:00:00Z").unwrap();
    let rows = REGISTRY.extract(&resource_type, &json);
    query.matches(ResourceType::parse(&resource_type).unwrap(), &id, &rows, updated)
}

#[track_caller]
fn finds(resource: &str, query: &str, expected: bool) {
    assert_eq!(found(resource, query), expected, "{query}");
}

#[track_caller]
fn all(resource: &str, cases: &[(&str, bool)]) {
    for (query, expected) in cases {
        finds(resource, query, *expected);
    }
}

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p","active":true,"gender":"female","birthDate":"1974-12-25",
    "identifier":[{"system":"urn:mrn","value":"7,1","type":{"coding":[{"system":"urn:t","code":"MR"}],"text":"Record"}},{"value":"8"}],
    "name":[{"family":"Müller","given":["Anna Maria","Eva"],"text":"Dr. Anna Müller"}],
    "telecom":[{"system":"phone","value":"555 1"},{"system":"email","value":"a@example.org"}],
    "address":[{"line":["Am Weg 1"],"city":"Köln","country":"DE"}],
    "generalPractitioner":[{"reference":"Practitioner/g/_history/3"},{"identifier":{"system":"urn:npi","value":"42"}}],
    "managingOrganization":{"reference":"https://here.example/fhir/Organization/own"},
    "meta":{"tag":[{"system":"urn:tags","code":"x"}],"profile":["http://example.org/P|1.0"],"source":"urn:feed"}}"#;
const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o","status":"final","subject":{"reference":"Patient/p"},
    "code":{"coding":[{"system":"urn:loinc","code":"8480-6","display":"Systolic"}],"text":"blood pressure"},
    "effectivePeriod":{"start":"2026-03-01T10:00:00Z","end":"2026-03-01T12:00:00Z"},
    "valueQuantity":{"value":5.40,"system":"http://unitsofmeasure.org","code":"mg","unit":"milligram"},
    "component":[{"code":{"coding":[{"system":"urn:s","code":"a"}]},"valueQuantity":{"value":120,"unit":"mm"}},
                 {"code":{"coding":[{"system":"urn:s","code":"z"}]},"valueQuantity":{"value":80,"unit":"mm"}}]}"#;
const SAMPLE: &str = r#"{"resourceType":"Observation","id":"s","status":"final","code":{"text":"t"},"subject":{"reference":"Device/d"}}"#;

#[test]
fn finds_by_id_and_by_the_last_change() {
    all(
        PATIENT,
        &[
            ("_id=p", true),
            ("_id=q,p", true),
            ("_id=q", false),
            ("_id=p,q&_id=q", false),
            ("_lastUpdated=2026-06-15", true),
            ("_lastUpdated=gt2026-06-14&_lastUpdated=lt2026-06-16", true),
            ("_lastUpdated=2020,2026", true),
            ("_lastUpdated=ne2026", false),
            ("_lastUpdated=gt2026-06-15", false),
            ("_lastUpdated=ap2026-06-15", true),
        ],
    );
    let query = read("Patient", "_lastUpdated=ge2026&_lastUpdated=lt2027").unwrap();
    let at = |text: &str| Some(Instant::parse(text).unwrap());
    assert_eq!(query.updated_between(), (at("2026-01-01T00:00:00Z"), at("2026-12-31T23:59:59.999Z")));
}

#[test]
fn tokens() {
    all(
        PATIENT,
        &[
            (r"identifier=urn:mrn|7\,1", true),
            (r"identifier=7\,1", true),
            ("identifier=urn:mrn|", true),
            ("identifier=|8", true),
            ("identifier=8", true),
            ("identifier=nothing,8", true),
            (r"identifier=|7\,1", false),
            ("identifier=urn:mrn|8", false),
            ("identifier=7", false),
            ("identifier=urn:other|", false),
            ("identifier=8&identifier=nothing", false),
            (r"identifier:of-type=urn:t|MR|7\,1", true),
            ("identifier:of-type=urn:t|MR|8", false),
            ("identifier:text=rec", true),
            ("gender=female", true),
            ("gender=http://hl7.org/fhir/administrative-gender|female", true),
            ("gender=|female", true),
            ("gender=urn:x|female", false),
            ("gender:not=male", true),
            ("gender:not=male,female", false),
            ("gender:missing=false", true),
            ("active=true", true),
            ("active=http://terminology.hl7.org/CodeSystem/special-values|true", true),
            ("active=false", false),
            ("deceased=false", true),
            ("deceased=true", false),
            ("email=a@example.org", true),
            ("phone=a@example.org", false),
            ("telecom=email|a@example.org", true),
            ("_tag=urn:tags|x", true),
            ("_tag:not=urn:tags|x", false),
            ("_profile=http://example.org/P|1.0", true),
            ("_profile:below=http://example.org", true),
            ("_source=urn:feed", true),
            ("_security:missing=true", true),
            ("language:missing=true", true),
        ],
    );
    all(
        OBSERVATION,
        &[
            ("code:text=BLOOD", true),
            ("code:text=sys", true),
            ("code:text=pressure", false),
            ("combo-code:in=urn:vs", true),
            ("combo-code:not-in=urn:vs", false),
            ("code:not-in=urn:vs", true),
            ("component-code:below=urn:s|top", true),
            ("code=8480-6,x", true),
        ],
    );
    refused("Observation", "code:in=urn:none", "not known here");
    refused("Observation", "code:in=urn:big", "more than 2000 codes");
}

#[test]
fn strings() {
    all(
        PATIENT,
        &[
            ("name=mull", true),
            ("name=MÜLLER", true),
            ("name=eva", true),
            ("name=maria", false),
            ("name:contains=maria", true),
            ("name:exact=Müller", true),
            ("name:exact=müller", false),
            ("name:exact=Mül", false),
            ("family=anna", false),
            ("given=anna,x", true),
            ("address=am", true),
            ("address-city=koln", true),
            ("address-state:missing=true", true),
            ("name:missing=true", false),
        ],
    );
}

#[test]
fn references() {
    all(
        OBSERVATION,
        &[
            ("patient=p", true),
            ("patient=Patient/p", true),
            ("patient:Patient=p", true),
            ("patient=https://here.example/fhir/Patient/p", true),
            ("subject=Patient/p", true),
            ("subject=p", true),
            ("subject:Patient=p", true),
            ("patient=x,p", true),
            ("patient=p&subject=Patient/p", true),
            ("subject:Device=p", false),
            ("patient=Device/p", false),
            ("patient=https://other.example/fhir/Patient/p", false),
            ("patient=x", false),
            ("encounter:missing=true", true),
            ("subject:missing=false", true),
        ],
    );
    all(
        SAMPLE,
        &[("subject=Device/d", true), ("subject=d", true), ("patient=d", false), ("patient:missing=true", true)],
    );
    all(
        PATIENT,
        &[
            ("general-practitioner=Practitioner/g", true),
            ("general-practitioner=Practitioner/g/_history/3", true),
            ("general-practitioner=g", true),
            ("general-practitioner:identifier=urn:npi|42", true),
            ("general-practitioner:identifier=42", true),
            ("general-practitioner:identifier=43", false),
            ("organization=Organization/own", true),
            ("organization=own", true),
            ("organization=https://here.example/fhir/Organization/own", true),
        ],
    );
    let only_identified = r#"{"resourceType":"Observation","id":"o","subject":{"identifier":{"value":"1"}}}"#;
    all(only_identified, &[("subject:missing=false", true), ("subject:identifier=1", true), ("subject=1", false)]);
    let canonical = r#"{"resourceType":"MeasureReport","id":"m","measure":"http://example.org/m|2.1"}"#;
    all(
        canonical,
        &[
            ("measure=http://example.org/m", true),
            ("measure=http://example.org/m|2.1", true),
            ("measure=http://example.org/m|2", false),
        ],
    );
}

#[test]
fn dates_compare_by_what_they_cover() {
    all(
        PATIENT,
        &[
            ("birthdate=1974", true),
            ("birthdate=1974-12-25", true),
            ("birthdate=1974-12-25T10:00Z", false),
            ("birthdate=ge1974-12-25", true),
            ("birthdate=gt1974-12-25", false),
            ("birthdate=gt1974-12-25T10:00Z", true),
            ("birthdate=lt1975", true),
            ("birthdate=sa1974-11", true),
            ("birthdate=eb1974-12", false),
            ("birthdate=ne1974", false),
            ("birthdate=ne1973", true),
            ("birthdate=ap1975", true),
            ("birthdate=ap2010", false),
        ],
    );
    all(
        OBSERVATION,
        &[
            ("date=2026-03-01", true),
            ("date=2026-03-01T11:00Z", false),
            ("date=gt2026-03-01T11:00Z", true),
            ("date=lt2026-03-01T11:00Z", true),
            ("date=sa2026-03-01T11:00Z", false),
            ("date=sa2026-02-28", true),
            ("date=eb2026-03-02", true),
        ],
    );
    let open = r#"{"resourceType":"Encounter","id":"e","period":{"start":"2026-03-01"}}"#;
    all(open, &[("date=gt2030", true), ("date=2026", false), ("date=sa2026-02", true), ("date=ge2026-03-01", true)]);
    let timing =
        r#"{"resourceType":"ServiceRequest","id":"s","occurrenceTiming":{"event":["2026-01-05","2026-01-01"]}}"#;
    all(
        timing,
        &[
            ("occurrence=2026-01", true),
            ("occurrence=ge2026-01-04", true),
            ("occurrence=ge2026-01-05", false),
            ("occurrence=gt2026-01-05", false),
        ],
    );
}

#[test]
fn numbers_and_quantities() {
    let risk = r#"{"resourceType":"RiskAssessment","id":"r","prediction":[{"probabilityDecimal":0.8}]}"#;
    all(
        risk,
        &[
            ("probability=0.8", true),
            ("probability=0.80", true),
            ("probability=0.84", false),
            ("probability=1", true),
            ("probability=gt0.8", false),
            ("probability=ge0.8", true),
            ("probability=lt0.81", true),
            ("probability=ne0.8", false),
            ("probability=ap0.75", true),
            ("probability=8e-1", true),
        ],
    );
    all(
        OBSERVATION,
        &[
            ("value-quantity=5.4", true),
            ("value-quantity=5.4||mg", true),
            ("value-quantity=5.4||milligram", true),
            ("value-quantity=5.4|http://unitsofmeasure.org|mg", true),
            ("value-quantity=0.0054|http://unitsofmeasure.org|g", true),
            ("value-quantity=5400|http://unitsofmeasure.org|ug", true),
            ("value-quantity=5.4|http://unitsofmeasure.org|g", false),
            ("value-quantity=5.4||g", false),
            ("value-quantity=gt5|http://unitsofmeasure.org|mg", true),
            ("value-quantity=lt0.0055|http://unitsofmeasure.org|g", true),
            ("value-quantity=le5.4", true),
            ("value-quantity=ne5.4", false),
            ("component-value-quantity=gt100||mm", true),
            ("component-value-quantity=gt130||mm", false),
        ],
    );
    let long = r#"{"resourceType":"Observation","id":"o","valueQuantity":{"value":3.2540948513714594}}"#;
    all(long, &[("value-quantity=3.2540948513714594", true), ("value-quantity=ne3.2540948513714594", false)]);
    let below = r#"{"resourceType":"Observation","id":"o","valueQuantity":{"value":5,"comparator":"<"}}"#;
    all(
        below,
        &[
            ("value-quantity=lt5", true),
            ("value-quantity=gt5", false),
            ("value-quantity=5", false),
            ("value-quantity=eb5", true),
        ],
    );
    let money = r#"{"resourceType":"Invoice","id":"i","totalGross":{"value":48.00,"currency":"EUR"}}"#;
    all(
        money,
        &[
            ("totalgross=48|urn:iso:std:iso:4217|EUR", true),
            ("totalgross=48||EUR", true),
            ("totalgross=48||USD", false),
        ],
    );
}

#[test]
fn composites_hold_together() {
    all(
        OBSERVATION,
        &[
            ("component-code-value-quantity=urn:s|a$120", true),
            ("component-code-value-quantity=a$gt100||mm", true),
            ("component-code-value-quantity=z$gt100||mm", false),
            ("combo-code-value-quantity=8480-6$lt0.006|http://unitsofmeasure.org|g", true),
            ("code-value-quantity=urn:loinc|8480-6$5.4", true),
            ("code-value-quantity=urn:loinc|8480-6$5.5", false),
            ("code-value-quantity=|8480-6$5.4", false),
            ("code-value-quantity=x$1,urn:loinc|8480-6$5.4", true),
            ("code-value-string:missing=true", true),
        ],
    );
    let sequence = r#"{"resourceType":"MolecularSequence","id":"m","coordinateSystem":0,
        "referenceSeq":{"referenceSeqId":{"coding":[{"system":"urn:n","code":"NC1"}]},"windowStart":100,"windowEnd":200}}"#;
    all(
        sequence,
        &[
            ("referenceseqid-window-coordinate=urn:n|NC1$100$200", true),
            ("referenceseqid-window-coordinate=NC1$gt99$le200", true),
            ("referenceseqid-window-coordinate=NC1$gt100$le200", false),
            ("referenceseqid-window-coordinate=NC1$ne1$lt200", false),
        ],
    );
    let untold = r#"{"resourceType":"Observation","id":"o","code":{"text":"t"},"valueString":"x"}"#;
    all(untold, &[("code-value-string:missing=false", true), ("code-value-quantity:missing=true", true)]);
    refused("Observation", "code-value-quantity=8480-6", "'code-value-quantity': expected values of its parts");
    refused("Observation", "code-value-quantity=urn:s|$5", "'code-value-quantity'");
}

#[test]
fn uris_go_by_parts_of_their_path() {
    let set = r#"{"resourceType":"ValueSet","id":"v","url":"http://acme.org/fhir/ValueSet/123"}"#;
    all(
        set,
        &[
            ("url=http://acme.org/fhir/ValueSet/123", true),
            ("url=http://acme.org/fhir/ValueSet/12", false),
            ("url:below=http://acme.org/fhir", true),
            ("url:below=http://acme.org/fhir/", true),
            ("url:below=http://acme.org/fh", false),
            ("url:above=http://acme.org/fhir/ValueSet/123/_history/5", true),
            ("url:above=http://acme.org/fhir/ValueSet", false),
            ("url:above=http:", false),
        ],
    );
}

#[test]
fn near_goes_by_distance() {
    let place = r#"{"resourceType":"Location","id":"l","position":{"latitude":42.3601,"longitude":-71.0589}}"#;
    all(
        place,
        &[
            ("near=42.36|-71.06|1|km", true),
            ("near=42.46|-71.06|1|km", false),
            ("near=42.46|-71.06|12", true),
            ("near=42.46|-71.06|10", false),
            ("near=42.46|-71.06|7|[mi_us]", true),
            ("near=42.36|-71.06", true),
            ("near=0|0|1,42.36|-71.06", true),
        ],
    );
    refused("Location", "near=here", "'near'");
    refused("Location", "near=1|1|1|furlong", "'near'");
}

#[test]
fn filters() {
    all(
        PATIENT,
        &[
            (r#"_filter=family eq "müller""#, true),
            (r#"_filter=family eq "mül""#, false),
            (r#"_filter=family sw "mül" and birthdate ge 1974"#, true),
            (r#"_filter=family ew "ler""#, true),
            (r#"_filter=given co "mari""#, true),
            (r#"_filter=given ne "eva""#, true),
            (r#"_filter=family ne "MULLER""#, false),
            ("_filter=gender eq male or (active eq true and not (gender eq male))", true),
            ("_filter=gender ne female", false),
            ("_filter=gender eq male or gender eq other and active eq true", false),
            ("_filter=birthdate po 1974", true),
            ("_filter=birthdate pr true", true),
            ("_filter=death-date pr false", true),
            ("_filter=_id eq p", true),
            ("_filter=_lastUpdated gt 2026", false),
            ("_filter=general-practitioner re Practitioner/g", true),
            (r#"_filter=identifier eq "urn:mrn|7,1""#, true),
            ("_filter=_profile sw http://example", true),
        ],
    );
    for (filter, says) in [
        ("", "expected a parameter at character 0"),
        ("name", "expected eq, ne"),
        ("name eq", "expected a value"),
        ("name eq \"x", "expected \" at the end"),
        ("name eq x y", "expected and, or, or the end at character 10"),
        ("(name eq x", "expected and, or, or )"),
        ("nmae eq x", "'nmae' is not supported"),
        ("name ge x", "operator that the kind"),
        ("gender.x eq y", "a reference parameter before"),
    ] {
        refused("Patient", &format!("_filter={filter}"), says);
    }
    let deep = format!("_filter={}gender eq male{}", "(".repeat(50), ")".repeat(50));
    refused("Patient", &deep, "more than 10 parentheses");
    let query = read("Observation", r#"_filter=subject.name co "x" and performer[type eq prov].name eq y"#).unwrap();
    let Some(Clause::All(both)) = query.clauses.first().cloned().map(|it| Clause::All(vec![it])) else { panic!() };
    assert_eq!(both.len(), 1);
}

#[test]
fn chains_name_their_targets() {
    let chain = |resource_type: &str, text: &str| match read(resource_type, text).unwrap().clauses.remove(0) {
        Clause::Chain(chain) => chain,
        other => panic!("{other:?}"),
    };
    let types = |chain: &Chain| chain.links.iter().map(|link| link.target.as_str()).collect::<Vec<_>>();
    assert_eq!(types(&chain("Observation", "subject:Patient.name=x")), ["Patient"]);
    assert_eq!(types(&chain("Observation", "subject.name=x")), ["Location", "Patient"]);
    assert_eq!(types(&chain("Observation", "patient.identifier=x")), ["Patient"]);
    let nested = chain("Observation", "encounter.service-provider.name=x");
    assert!(matches!(nested.links[0].wanted[0], Clause::Chain(_)));
    let target = Reference::parse("Patient/1").unwrap();
    assert!(!nested.term(std::slice::from_ref(&target), BASE).holds(&[]));
    refused("Observation", "subject:Medication.code=x", "modifier 'Medication' of parameter 'subject'");
    refused("Observation", "subject.nmae=x", "'nmae' is not supported");
    refused("Observation", "subject:Patient.birthdate=x", "'birthdate': expected a date");
    refused("Observation", "code.text=x", "'code': expected a reference");
    refused("Observation", &format!("{}identifier=x", "derived-from:Observation.".repeat(8)), "links in a chain");
}

#[test]
fn reverse_chains_nest() {
    let query = read("Patient", "_has:Observation:patient:_has:AuditEvent:entity:agent=Practitioner/x").unwrap();
    let Clause::Has(has) = &query.clauses[0] else { panic!() };
    assert_eq!((has.source.as_str(), has.code.as_str()), ("Observation", "patient"));
    let Clause::Has(inner) = &has.wanted[0] else { panic!() };
    assert_eq!((inner.source.as_str(), inner.code.as_str()), ("AuditEvent", "entity"));
    for (text, says) in [
        ("_has:Observation:patient=1", "_has:Type:parameter"),
        ("_has:Observation:code:code=1", "_has:Type:parameter"),
        ("_has:Nothing:patient:code=1", "_has:Type:parameter"),
        ("_has:Observation:nothing:code=1", "is not supported for Observation"),
        ("_has:Device:location:status=active", "_has:Type:parameter"),
    ] {
        refused("Patient", text, says);
    }
}

#[test]
fn a_primitive_with_an_extension_alone_is_missing() {
    let absent =
        r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}"#;
    let procedure = format!(r#"{{"resourceType":"Procedure","id":"x","_performedDateTime":{absent},"code":{absent}}}"#);
    all(&procedure, &[("date:missing=true", true), ("date:missing=false", false), ("code:missing=false", true)]);
    let patient = format!(
        r#"{{"resourceType":"Patient","id":"x","_birthDate":{absent},"name":[{{"given":[null],"_given":[{absent}]}}]}}"#
    );
    all(&patient, &[("birthdate:missing=true", true), ("given:missing=true", true), ("given:missing=false", false)]);
}

#[test]
fn all_types_together_have_what_all_of_them_have() {
    assert!(read("", "_id=1").unwrap().types.is_empty());
    assert_eq!(read("", "_type=Patient,Observation&identifier=x").unwrap().types, of("Observation,Patient"));
    refused("", "identifier=x", "'identifier' is not supported for all of these types");
    refused("", "_type=Nothing", "'_type': expected resource types");
    refused("Patient", "_type=Patient", "'_type' is not supported");
    assert_eq!(read("", "_tag=a&_lastUpdated=gt2020&_profile=b").unwrap().clauses.len(), 2);
}

#[test]
fn every_problem_is_named() {
    let errors = read("Patient", "nmae=x&gender:nope=1&birthdate=soon&_sort=nothing&_include=No:where").unwrap_err();
    let names: Vec<&str> = errors.iter().map(SearchError::parameter).collect();
    assert_eq!(names, ["nmae", "gender", "birthdate", "_sort", "_include"]);
    for (query, says) in [
        ("nmae=x", "parameter 'nmae' is not supported for Patient; supported are _id, _lastUpdated"),
        ("patient=p", "'patient'"),
        ("identifier:exact=x", "modifier 'exact' of parameter 'identifier' is not supported; supported: missing, not"),
        ("_lastUpdated:above=2020", "modifier 'above'"),
        ("_id:not=x", "modifier 'not'"),
        ("_contained=true", "'_contained'"),
        ("_score=1", "'_score'"),
        ("birthdate=xx1974", "'birthdate'"),
        ("name:missing=maybe", "true or false"),
        ("organization:[type]=x", "modifier '[type]'"),
    ] {
        refused("Patient", query, says);
    }
    refused("Patient", &format!("{}=x", "n".repeat(500)), &"n".repeat(64));
}

#[test]
fn values_that_cannot_be_read_are_errors_even_when_lenient() {
    for (resource_type, query) in [
        ("Patient", "_id="),
        ("Patient", "_id=a b"),
        ("Patient", "identifier="),
        ("Patient", "identifier=|"),
        ("Patient", r"identifier=a\n"),
        ("Patient", "_lastUpdated=soon"),
        ("Patient", "name="),
        ("Patient", "_count=-1"),
        ("Patient", "_count=ten"),
        ("Patient", "_elements="),
        ("Observation", "patient="),
        ("Observation", "patient=No/Such/Thing"),
        ("Observation", "patient=p,"),
        ("Observation", "value-quantity=1|2"),
        ("Observation", "value-quantity=1e99999"),
    ] {
        let lenient = Options { handling: Handling::Lenient, ..options() };
        let errors = parse(&of(resource_type), &pairs(query), &lenient).unwrap_err();
        assert!(matches!(errors.as_slice(), [SearchError::Value { .. }]), "{query}: {errors:?}");
    }
}

#[test]
fn lenient_leaves_out_what_it_does_not_know_and_says_so() {
    let lenient = Options { handling: Handling::Lenient, ..options() };
    let text = "nmae=x&_id=p&identifier:exact=1&_format=json&_sort=nothing";
    let query = parse(&of("Patient"), &pairs(text), &lenient).unwrap();
    assert_eq!(query.ignored, ["nmae", "identifier:exact", "_sort=nothing"]);
    assert_eq!(query.used, [("_id".to_owned(), "p".to_owned())]);
    assert!(query.clauses.is_empty());
}

#[test]
fn about_the_answer() {
    let query = read("Patient", "").unwrap();
    assert_eq!((query.count, query.sort.len(), query.total), (50, 0, Total::AsKnown));
    assert_eq!(read("Patient", "_count=7").unwrap().count, 7);
    assert_eq!(read("Patient", "_count=99999999999999999999999").unwrap().count, 1000);
    assert!(read("Patient", "_count=0").unwrap().only_count);
    assert!(read("Patient", "_summary=count").unwrap().only_count);
    assert_eq!(read("Patient", "_summary=text").unwrap().summary, Some(Summary::Text));
    assert_eq!(
        read("Patient", "_elements=id,resourceType,name.family,name").unwrap().elements,
        ["id", "resourceType", "name"]
    );
    assert_eq!(read("Patient", "_total=estimate").unwrap().total, Total::Counted);
    assert_eq!(read("Patient", "_page=abc").unwrap().page.as_deref(), Some("abc"));
    let keys = read("Observation", "_sort=-date,code,_id").unwrap().sort;
    assert_eq!(
        keys.iter().map(|key| (key.code.as_str(), key.descending)).collect::<Vec<_>>(),
        [("date", true), ("code", false), ("_id", false)]
    );
    let rows = REGISTRY.extract("Observation", &json(OBSERVATION));
    assert_eq!(keys[1].value(&rows), Some(&b"8480-6"[..]));
    assert!(keys[0].value(&rows).is_some());
    refused("Observation", "_sort=code-value-quantity", "'_sort'");
}

#[test]
fn follows_references() {
    let query = read("Encounter", "_include=Encounter:diagnosis&_include=Encounter:subject:Patient&_include:iterate=Patient:organization&_revinclude=Observation:encounter&_include=Encounter:*&_include=*").unwrap();
    assert_eq!(query.includes.len(), 5);
    assert_eq!(query.used.len(), 6, "they are in the self link");
    assert!(query.includes[2].iterate);
    for text in [
        "_include=Observation:encounter",
        "_include=Encounter:status",
        "_revinclude=Encounter:subject",
        "_include=Encounter:subject:Medication",
    ] {
        refused("Encounter", text, &format!("'{}' is not supported", text.split_once('=').unwrap().1));
    }
    refused("Encounter", "_include:nope=Encounter:part-of", "modifier 'nope' of parameter '_include'");
    assert!(read("Encounter", "_include:recurse=Encounter:part-of").unwrap().includes[0].iterate);
}

#[test]
fn says_whose_records_are_asked_for() {
    let patients = |query: &str| read("Observation", query).unwrap().patients;
    assert_eq!(patients("patient=a,b"), Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(patients("patient=a,b&subject=Patient/a"), Some(vec!["a".to_owned()]));
    assert_eq!(patients("patient=https://here.example/fhir/Patient/a"), Some(vec!["a".to_owned()]));
    assert_eq!(patients("patient=https://other.example/Patient/a"), None, "a record of another server");
    assert_eq!(patients("subject=a"), None, "the subject may be of any type");
    assert_eq!(patients("subject=Patient/a,Device/d"), None);
    assert_eq!(patients("_id=a"), None);
}

#[test]
fn who_asks_for_a_patient_finds_the_records_of_the_same_person() {
    let mut query = read("Observation", "patient=other").unwrap();
    let rows = REGISTRY.extract("Observation", &json(OBSERVATION));
    let updated = Instant::from_millis(0);
    let of = ResourceType::parse("Observation").unwrap();
    assert!(!query.matches(of, "o", &rows, updated));
    query.widen(|patient| Ok::<_, ()>(if patient == "other" { vec!["p".to_owned()] } else { vec![] })).unwrap();
    assert!(query.matches(of, "o", &rows, updated));
    assert_eq!(query.patients, Some(vec!["other".to_owned(), "p".to_owned()]));
}

fn escape(text: &str) -> String {
    let each = |letter: char| {
        matches!(letter, '\\' | ',' | '|' | '$').then_some('\\').into_iter().chain([letter]).collect::<Vec<_>>()
    };
    text.chars().flat_map(each).collect()
}

fn any_observation() -> impl Strategy<Value = String> {
    let quantity = (-50i32..50, 0u8..3, prop::option::of(prop_oneof!["mg", "g", "kg"]));
    (prop::option::of(quantity), prop::option::of("[ab]{1,2}"), prop::option::of("20(19|20)(-0[12](-1[0-3])?)?"))
        .prop_map(|(quantity, code, date)| {
            let mut parts = vec![r#""resourceType":"Observation","id":"o""#.to_owned()];
            if let Some((value, places, unit)) = quantity {
                let text = match places {
                    0 => value.to_string(),
                    places => format!("{value}.{}", "5".repeat(usize::from(places))),
                };
                let unit = unit
                    .map(|unit| format!(r#","system":"http://unitsofmeasure.org","code":"{unit}""#))
                    .unwrap_or_default();
                parts.push(format!(r#""valueQuantity":{{"value":{text}{unit}}}"#));
            }
            parts.extend(code.map(|code| format!(r#""code":{{"coding":[{{"system":"urn:s","code":"{code}"}}]}}"#)));
            parts.extend(date.map(|date| format!(r#""effectiveDateTime":"{date}""#)));
            format!("{{{}}}", parts.join(","))
        })
}

proptest! {
    #[test]
    fn no_query_panics(name in "(_id|_lastUpdated|identifier|patient|subject|_count|_sort|_page|_filter|_text|_has:Observation:patient:code|value-quantity|code|date|near|x)(:[a-zA-Z-]{0,8})?(\\.[a-z]{1,5})?", value in r#"[\\|,:/$a-z0-9é()\[\]" \-]{0,24}"#) {
        let pair = vec![(name, value)];
        for resource_type in ["Patient", "Observation", "Location", ""] {
            let _ = parse(&of(resource_type), &pair, &options());
        }
    }

    #[test]
    fn no_filter_panics(text in r#"(name|subject|code|birthdate|\(|\)|\[|\]|\.|not|and|or|eq|co|"|x| ){0,20}"#) {
        let _ = read("Patient", &format!("_filter={text}"));
        let _ = read("Observation", &format!("_filter={text}"));
    }

    #[test]
    fn what_is_extracted_is_found_again(system in "[a-z:,|$\\\\]{0,6}", value in "[a-z0-9,|$\\\\é]{1,6}") {
        let mut identifier = vec![("value", Json::from(value.as_str()))];
        if !system.is_empty() {
            identifier.push(("system", Json::from(system.as_str())));
        }
        let patient = Json::object([("resourceType", Json::from("Patient")), ("identifier", Json::array([Json::object(identifier)]))]);
        let rows = REGISTRY.extract("Patient", &patient);
        for text in [format!("{}|{}", escape(&system), escape(&value)), escape(&value)] {
            let query = parse(&of("Patient"), &[("identifier".to_owned(), text.clone())], &options()).unwrap();
            prop_assert!(query.matches(of("Patient")[0], "p", &rows, Instant::MIN), "{}", text);
        }
    }

    /// For what has one value: `ge` is `gt` or `eq`, `ne` is not `eq`, `sa` implies `gt`, `eb` implies `lt`, `eq` implies `ap`.
    #[test]
    fn prefixes_keep_their_laws(resource in any_observation(), number in -50i32..50, places in 0u8..3, day in "20(19|20)(-0[12](-1[0-3])?)?") {
        let number = if places == 0 { number.to_string() } else { format!("{number}.{}", "5".repeat(usize::from(places))) };
        for (name, value) in [("value-quantity", number.clone()), ("value-quantity", format!("{number}|http://unitsofmeasure.org|g")), ("date", day.clone())] {
            let holds = |prefix: &str| found(&resource, &format!("{name}={prefix}{value}"));
            let present = found(&resource, &format!("{name}:missing=false"));
            let missing = found(&resource, &format!("{name}:missing=true"));
            prop_assert!(present != missing);
            prop_assert_eq!(holds(""), holds("eq"));
            if holds("ne") { prop_assert!(present && !holds("eq")); }
            if name == "date" { prop_assert_eq!(holds("ge"), holds("gt") || holds("eq")); }
            if name == "date" { prop_assert_eq!(holds("le"), holds("lt") || holds("eq")); }
            prop_assert!(!holds("sa") || holds("gt"));
            prop_assert!(!holds("eb") || holds("lt"));
            prop_assert!(!(holds("eq")) || holds("ap") || name != "date");
            prop_assert!(!holds("gt") || holds("ge"));
            prop_assert!(!holds("lt") || holds("le"));
        }
    }

    #[test]
    fn not_is_the_complement(resource in any_observation(), code in "[ab]{1,2}") {
        for value in [code.clone(), format!("urn:s|{code}"), format!("|{code}"), format!("{code},b")] {
            let (is, is_not) = (found(&resource, &format!("code={value}")), found(&resource, &format!("code:not={value}")));
            prop_assert!(is != is_not);
        }
    }

    #[test]
    fn a_comma_is_or_and_a_repeat_is_and(resource in any_observation(), one in "[ab]{1,2}", other in "[ab]{1,2}") {
        let (first, second) = (found(&resource, &format!("code={one}")), found(&resource, &format!("code={other}")));
        prop_assert_eq!(found(&resource, &format!("code={one},{other}")), first || second);
        prop_assert_eq!(found(&resource, &format!("code={one}&code={other}")), first && second);
    }
}

#[test]
fn ids_are_checked() {
    assert!(ResourceId::parse("p").is_ok());
}
