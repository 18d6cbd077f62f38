use std::collections::BTreeMap;

use formats::flat::Reader;
use model::json::Json;

use super::*;
use crate::package::Packages;

mod back;
mod numerals;
mod patterns;
mod vendors;

/// A small package: one table, its rows and a code map.
const TOML: &str = r#"
name = "inn"
version = "1"
format = "flat"
description = "invented"
[names]
mrn = "urn:example:mrn"
act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
[flat]
null = ["NULL"]
date = ["MM/dd/yyyy", "MM/dd/yyyy HH:mm"]
[tables.visits]
columns = ["id", "last", "first", "dob", "sex", "seen", "tags", "weight", "note"]
lists = { tags = ";" }
optional = ["note"]
match = ["id", "seen"]
"#;

const PATIENT: &str = "source,target,via,with,when,way,guide
id,Patient,id,,,,own
id,Patient.identifier[0].value,trimmed,system=$mrn,,,own
last+first,Patient.name[+],Name-HumanName,use=official,,,own
dob,Patient.birthDate,date,,,,own
sex,Patient.gender,code:Sex,,,,own
";

const NAME: &str = "source,target,via,with,when,way,guide
NAME.1,HumanName.family,trimmed,,,,own
NAME.2,HumanName.given[+],trimmed,,,,own
";

const OBSERVATION: &str = "source,target,via,with,when,way,guide
id,Observation,id+#,,weight,,own
const,Observation.status,final,,,,own
const,Observation.code.text,weight,,,,own
@Patient,Observation.subject,,,,,own
seen,Observation.effectiveDateTime,dateTime,,,,own
tags,Observation.category[+].text,trimmed,,,,own
weight,Observation.valueQuantity.value,decimal,valueQuantity.unit=kg,number(weight),,own
";

const SEX: &str = "code,system,target,display,equivalence,guide
F,,female,,,own
M,,male,,,own
";

fn files() -> BTreeMap<String, String> {
    [
        ("inn/package.toml", TOML),
        ("inn/rows/visits-Patient.csv", PATIENT),
        ("inn/rows/visits-Observation.csv", OBSERVATION),
        ("inn/datatypes/NAME-HumanName.csv", NAME),
        ("inn/codes/Sex.csv", SEX),
    ]
    .map(|(path, text)| (path.to_owned(), text.replace("Name-HumanName", "NAME-HumanName")))
    .into()
}

fn load(files: &BTreeMap<String, String>) -> Result<Packages, String> {
    let files = files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes()));
    Packages::load(files).map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn rows(dialect: &Dialect, bytes: &[u8]) -> Rows {
    let mut reader = Reader::new(dialect.clone());
    reader.push(bytes);
    reader.finish();
    let mut rows = Rows::default();
    reader.read(&mut rows, usize::MAX);
    rows
}

/// The Bundle of a file, its findings as `severity code place`, and its loss account.
fn map(packages: &Packages, name: &str, csv: &str) -> (Json, Vec<String>, Loss) {
    let package = packages.named(name).expect("the package is there");
    let table = *package.flat_tables().first().expect("a table");
    let mut all = rows(table.dialect(), csv.as_bytes());
    let (shape, mut issues) = table.shape(all.row(0).as_ref()).expect("a header");
    let mut body = Rows::default();
    for row in all.iter().skip(1) {
        body.push(row.number(), row.cells());
    }
    all.clear();
    let context = Context::default();
    let mut mapper = package.flat_mapper(&context, true);
    let mut collected = Collected::default();
    mapper.map(table.number, &shape, &body, &Alone, |unit| collected.add(&unit));
    issues.extend(mapper.take_issues());
    let [total, mapped, kept, dropped] = mapper.counts();
    let (bundle, more, loss, _) = collected.finish();
    issues.extend(more);
    assert_eq!([total, mapped + kept + dropped], [loss.total(), total]);
    let line = |issue: &Issue| format!("{} {} {}", issue.severity, issue.code, issue.at.clone().unwrap_or_default());
    (bundle, issues.iter().map(line).collect(), loss)
}

const HEADER: &str = "id,last,first,dob,sex,seen,tags,weight,note\n";

fn inn(csv: &str) -> (Json, Vec<String>, Loss) {
    map(&load(&files()).expect("loads"), "inn", csv)
}

#[track_caller]
fn says(json: &Json, path: &[&str], text: &str) {
    let found = json.at(path).map(|value| value.as_str().map_or_else(|| value.to_text(), str::to_owned));
    assert_eq!(found.as_deref(), Some(text), "{path:?} of {}", json.pretty());
}

#[test]
fn a_row_becomes_its_resources_and_they_refer_to_each_other() {
    let (bundle, issues, loss) = inn(&format!("{HEADER}7,Okafor,Ben,02/29/1988,M,06/14/2024,a;b,71.50,\n"));
    assert!(issues.is_empty(), "{issues:?}");
    let patient = ["entry", "0", "resource"];
    let of = |rest: &[&'static str]| patient.iter().copied().chain(rest.iter().copied()).collect::<Vec<_>>();
    says(&bundle, &of(&["identifier", "0", "system"]), "urn:example:mrn");
    says(&bundle, &of(&["name", "0", "family"]), "Okafor");
    says(&bundle, &of(&["name", "0", "given", "0"]), "Ben");
    says(&bundle, &of(&["name", "0", "use"]), "official");
    says(&bundle, &of(&["birthDate"]), "1988-02-29");
    says(&bundle, &of(&["gender"]), "male");
    says(&bundle, &["entry", "1", "resource", "valueQuantity", "value"], "71.50");
    says(&bundle, &["entry", "1", "resource", "category", "1", "text"], "b");
    let reference = bundle.text_at(&["entry", "1", "resource", "subject", "reference"]).unwrap();
    assert_eq!(Some(reference), bundle.text_at(&["entry", "0", "request", "url"]));
    assert_eq!((loss.total(), loss.mapped.len()), (8, 8));
    assert!(loss.mapped.iter().any(|(at, to)| at == "2,dob" && to.ends_with("#Patient.birthDate")), "{loss:?}");
}

#[test]
fn what_no_row_reads_is_kept_and_what_cannot_be_read_is_kept_with_an_issue() {
    let (bundle, issues, loss) = inn(&format!("{HEADER}7,Okafor,Ben,31.12.1988,?,,,heavy,see chart\n"));
    assert_eq!(issues, ["warning value 2,dob", "warning code-invalid 2,sex"]);
    let kept: Vec<&str> = loss.kept.iter().map(|(at, _)| at.as_str()).collect();
    assert_eq!(kept, ["2,dob", "2,sex", "2,weight", "2,note"]);
    let text = bundle.to_text();
    assert!(text.contains(r#"{"url":"urn:anchorline:flat:visits:note","valueString":"see chart"}"#), "{text}");
    assert!(!text.contains("birthDate"));
}

#[test]
fn a_row_of_nothing_but_cells_nobody_makes_anything_of_is_kept_whole() {
    let (bundle, issues, loss) = inn(&format!("{HEADER},Okafor,,,,,,,\n"));
    says(&bundle, &["entry", "0", "resource", "resourceType"], "Basic");
    assert_eq!(issues, ["warning incomplete 2"]);
    assert_eq!((loss.total(), loss.kept.len()), (1, 1));
}

#[test]
fn null_markers_are_no_values() {
    let (bundle, issues, loss) = inn(&format!("{HEADER}7,Okafor,NULL,NULL,,,,,\n"));
    assert!(issues.is_empty(), "{issues:?}");
    assert!(!bundle.to_text().contains("NULL"));
    assert_eq!(loss.dropped.len(), 2);
}

#[test]
fn the_same_person_in_two_rows_is_one_resource_and_what_differs_is_said() {
    let csv = format!("{HEADER}7,Okafor,Ben,02/29/1988,M,,,70,\n7,Okafor,Ben,02/28/1988,M,,,71,\n");
    let (bundle, issues, loss) = inn(&csv);
    assert_eq!(bundle.items("entry").len(), 3);
    assert_eq!(issues, ["warning conflict 3"]);
    assert_eq!(
        loss.dropped,
        [("3,dob".to_owned(), "an earlier row says something else of the same element".to_owned())]
    );
}

#[test]
fn a_header_may_have_other_order_case_and_columns() {
    let csv = "WEIGHT,Note,seen,tags,sex,dob,FIRST,Last,Id,bed\n70,,,,,,Ben,Okafor,7,B4\n";
    let (bundle, issues, loss) = inn(csv);
    assert_eq!(issues, ["information not-supported 1,bed"]);
    says(&bundle, &["entry", "0", "resource", "name", "0", "family"], "Okafor");
    assert_eq!(loss.kept.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(), ["2,bed"]);
}

#[test]
fn a_row_of_another_length_says_so_and_loses_nothing() {
    let (_, issues, loss) = inn(&format!("{HEADER}7,Okafor,Ben,,,,,70,x,extra\n8,Lund\n"));
    assert_eq!(issues, ["warning structure 2", "warning structure 3"]);
    assert!(loss.kept.iter().any(|(at, _)| at == "2,#10"), "{loss:?}");
}

#[test]
fn what_is_no_header_of_the_table_is_refused_without_a_word_of_it() {
    let packages = load(&files()).expect("loads");
    let table = *packages.named("inn").unwrap().flat_tables().first().unwrap();
    let all = rows(table.dialect(), b"7,Okafor,Ben,02/29/1988,M,,,70,\n");
    let issue = table.shape(all.row(0).as_ref()).unwrap_err();
    assert!(issue.is_error() && !issue.to_string().contains("Okafor"), "{issue}");
}

#[test]
fn the_same_row_gives_the_same_bytes_and_another_place_another_id() {
    let csv = format!("{HEADER}7,Okafor,Ben,,,,,70,\n");
    assert_eq!(inn(&csv).0.to_text(), inn(&csv).0.to_text());
    let moved = inn(&format!("{HEADER}\n7,Okafor,Ben,,,,,70,\n")).0;
    let url = |bundle: &Json, at| bundle.text_at(&["entry", at, "request", "url"]).map(str::to_owned);
    assert_eq!(url(&inn(&csv).0, "0"), url(&moved, "0"));
    assert_ne!(url(&inn(&csv).0, "1"), url(&moved, "1"));
}

/// One file changed, and what loading says.
#[track_caller]
fn refused(path: &str, from: &str, to: &str, expect: &str) {
    let mut files = files();
    let text = files.get_mut(path).expect("a file of the package");
    assert!(text.contains(from), "{path} has {from}");
    *text = text.replace(from, to);
    let error = load(&files).expect_err("is refused");
    assert!(error.contains(expect), "{error}");
}

#[test]
fn loading_is_strict() {
    refused("inn/rows/visits-Patient.csv", "dob,Patient", "bod,Patient", "unknown column \"bod\" of visits");
    refused("inn/rows/visits-Patient.csv", "Patient.birthDate", "Patient.birthday", "Patient has no element birthday");
    refused("inn/rows/visits-Patient.csv", "id,Patient,id,,,,own\n", "", "expected an id row");
    refused("inn/rows/visits-Observation.csv", "@Patient", "@Group", "no table makes @Group");
    refused("inn/package.toml", "lists", "list", "unknown field");
    refused("inn/package.toml", "MM/dd/yyyy HH:mm", "QQ", "unknown letters QQ");
    refused("inn/package.toml", "[flat]", "[flat]\nencoding = \"latin-99\"", "unknown encoding latin-99");
    refused("inn/package.toml", "[tables.visits]", "[tables.visits]\nparent = \"beds\"", "no table is named beds");
    refused("inn/package.toml", "\"weight\", ", "", "unknown column \"weight\"");
    refused("inn/package.toml", "\"weight\"", "\"WEIGHT\", \"weight\"", "a name no other column has");
}

#[test]
fn joined_tables_refer_upwards_and_add_downwards() {
    let packages = Packages::embedded().expect("loads");
    let files = Packages::embedded_files();
    let of = |name: &str| files.get(&format!("flat-harbor/examples/day/{name}")).expect("an example").as_slice();
    let names = ["results.csv", "patients.csv", "phones.csv"];
    let files: Vec<File<'_>> = names.iter().map(|name| File { name, bytes: of(name) }).collect();
    let converted = packages.convert_flat(&[], &files, &Context::default(), true).expect("is read");
    let Converted { bundle, issues, loss, .. } = converted;
    says(&bundle, &["entry", "0", "resource", "name", "0", "given", "1"], "Amalie");
    says(&bundle, &["entry", "0", "resource", "telecom", "1", "use"], "mobile");
    says(&bundle, &["entry", "0", "resource", "address", "0", "city"], "København");
    let url = bundle.text_at(&["entry", "0", "request", "url"]).unwrap();
    let results: Vec<&Json> = model::bundle::resources(&bundle)
        .filter(|resource| resource.text_at(&["resourceType"]) == Some("Observation"))
        .collect();
    assert_eq!(results.len(), 5);
    says(results[0], &["subject", "reference"], url);
    says(results[1], &["valueQuantity", "comparator"], "<");
    assert!(results[4].get("subject").is_none(), "nobody has this number");
    let places: Vec<String> =
        issues.iter().map(|issue| format!("{} {}", issue.code, issue.at.clone().unwrap_or_default())).collect();
    assert!(places.contains(&"not-found results:6,Patient No".to_owned()), "{places:?}");
    assert!(places.contains(&"not-found phones:5,Patient No".to_owned()), "the number of nobody: {places:?}");
    assert!(places.contains(&"code-invalid phones:4,Kind".to_owned()), "{places:?}");
    assert!(loss.kept.iter().any(|(at, _)| at == "phones:5,Number"), "{loss:?}");
}

#[test]
fn no_package_for_a_header_is_an_issue_that_says_what_to_do() {
    let packages = Packages::embedded().expect("loads");
    let file = File { name: "x.csv", bytes: b"alpha,beta\n1,2\n" };
    let issues = packages.convert_flat(&[], &[file], &Context::default(), false).unwrap_err();
    assert!(issues[0].diagnostics.contains("mappers draft"), "{issues:?}");
}
