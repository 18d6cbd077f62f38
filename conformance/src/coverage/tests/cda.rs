//! The guide of documents, of tables made up for the tests.

use std::path::Path;

use super::*;

/// A guide with one template, one data type, one ConceptMap and one sheet of terms.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "tables-ccda-to-fhir/CCDA-FHIR_Patient.csv",
        "Header,Case,Approach,Resource,Element,value\n\
         .recordTarget,,backbone,,,\n..id,,source value,Patient,identifier,\n...name,,source value,Patient,.name,\n\
         ...religion,,not supported by target,,,\n..id,,source value,Organization,identifier,\n",
    );
    write(
        "tables-fhir-to-ccda/FHIR-CCDA_Patient.csv",
        "Patient,Case,Approach,CCDA template,Element,Value\n\
         name,,source value,Header,/name,\ngender,,transform,Header,/administrativeGenderCode,\n",
    );
    write(
        "datatypes/FHIR-CDA_Datatypes_-_CDA-To-FHIR.csv",
        "CCDA Type,Property,PropertyType,Case,FHIR Type,Property,PropertyType\nII,root,UID,,Identifier,system,uri\n",
    );
    write(
        "conceptmaps/ConceptMap-CF-Gender.xml",
        r#"<ConceptMap xmlns="http://hl7.org/fhir"><status value="draft"/><group>
        <element><code value="F"/><target><code value="female"/><equivalence value="equal"/></target></element>
        <element><code value="X"/><target><equivalence value="unmatched"/></target></element>
        </group></ConceptMap>"#,
    );
    write(
        "conceptmaps/ConceptMap-FC-Gender.json",
        r#"{"resourceType":"ConceptMap","group":[{"element":[
        {"code":"female","target":[{"code":"F"}]},{"code":"other","target":[{"code":"O"}]}]}]}"#,
    );
    write(
        "terms/Terms.csv",
        "Template,Map,Source Property 1,Source Value 1,Source Display 1,Source Property 2,Source Value 2,x,Target Value 1\n\
         Header,FC_Kind,type,allergy,,category,food,value,414285001\nHeader,FC_Kind,type,14285001 (a food),,,,value,M\n",
    );
    folder
}

fn documents(patient: &str, codes: &str, reasons: &str) -> Files {
    let head = "source,target,via,with,when,way,guide\n";
    let map = "code,system,target,display,equivalence,guide\n";
    Files::from([
        ("p/package.toml".to_owned(), b"name = \"p\"\nformat = \"ccda\"\n".to_vec()),
        ("p/templates/PatientRole-Patient.csv".to_owned(), format!("{head}{patient}").into_bytes()),
        ("p/codes/Gender.csv".to_owned(), format!("{map}{codes}").into_bytes()),
        ("p/coverage.csv".to_owned(), format!("guide,reason\n{reasons}").into_bytes()),
    ])
}

fn lines(folder: &Path, files: &Files) -> (Vec<String>, Vec<String>) {
    let found = coverage(folder, "p", files).unwrap();
    let rows = found.rows.iter().map(|(row, status)| format!("{} {}", row.citation(), status.as_str())).collect();
    (rows, found.mistakes.iter().map(Mistake::to_line).collect())
}

#[test]
fn both_directions_are_counted_row_by_row() {
    let folder = folder();
    let patient = "id,Patient.identifier[+],II-Identifier,,,,CF-patient#id\n\
                   patient/name,Patient.name[+],EN-HumanName,,,,CF-patient#name FC-patient#name\n\
                   patient/religion,Patient.extension[x],code,,,>,CF-patient§religion\n\
                   patient/administrativeGenderCode/@code,Patient.gender,code:Gender,,,<,FC-patient#gender\n";
    let codes = "F,,female,,,CF-Gender FC-Gender\nW,,female,,wider,own\nU,,other,,,FC-Gender\n";
    let reasons = "CF-patient#id:2,no organization here\nCDA-To-FHIR#II.root,the row above\nFC_Kind#*,not ours\n";
    let (rows, mistakes) = lines(folder.path(), &documents(patient, codes, reasons));
    assert_eq!(mistakes, Vec::<String>::new());
    assert_eq!(
        rows,
        [
            "CF-patient#recordTarget no target in the guide",
            "CF-patient#id implemented",
            "CF-patient#name implemented",
            "CF-patient#religion no target in the guide",
            "CF-patient#id:2 reasoned",
            "FC-patient#name implemented",
            "FC-patient#gender implemented",
            "CDA-To-FHIR#II.root reasoned",
            "CF-Gender#F implemented",
            "CF-Gender#X no target in the guide",
            "FC-Gender#female implemented",
            "FC-Gender#other other target",
            "FC_Kind#allergy+food reasoned",
            "FC_Kind#14285001 reasoned",
        ]
    );
}

#[test]
fn a_row_that_is_read_only_writes_nothing() {
    let folder = folder();
    let patient = "id,Patient.identifier[+],II-Identifier,,,<,CF-patient#id\n\
                   patient/name,Patient.name[+],EN-HumanName,,,>,FC-patient#name\n\
                   patient/name,Patient.name[+],EN-HumanName,,,,FC-patient#names\n";
    let codes = "W,,female,,,own\nF,,female,,,FC-Gender\n";
    let (rows, mistakes) = lines(folder.path(), &documents(patient, codes, ""));
    assert!(rows.contains(&"FC-patient#name open".to_owned()));
    assert_eq!(
        mistakes,
        [
            "p/codes/Gender.csv:3: the row does not go the way of FC-Gender",
            "p/templates/PatientRole-Patient.csv:2: the row does not go the way of CF-patient#id",
            "p/templates/PatientRole-Patient.csv:3: the row does not go the way of FC-patient#name",
            "p/templates/PatientRole-Patient.csv:4: the guide has no row FC-patient#names",
        ]
    );
}
