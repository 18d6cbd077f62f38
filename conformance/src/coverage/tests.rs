mod cda;

use super::*;

const HEAD: &str = "x,,,,,,,,,,,,,,,,,,\nSort Order,Identifier,Name,Data Type,Min,Max,Computable ANTLR,Computable FHIRPath,Narrative,FHIR Attribute,,Data Type,Min,Max,Data Type Mapping,Vocabulary Mapping,Assignment,,\n";

/// A row of a segment or data type: order, identifier, target, extension's URL.
fn guide(rows: &[(&str, &str, &str, &str)]) -> Guide {
    let mut text = HEAD.to_owned();
    for (order, identifier, target, url) in rows {
        text.push_str(&format!("{order},{identifier},,,,,,,,{target},,,,,,,{url},,\n"));
    }
    let mut guide = Guide::default();
    guide.table(Level::Segments, "PID__Patient", &text);
    guide
}

fn package(rows: &str, reasons: &str) -> Files {
    let manifest = "name = \"p\"\n[names]\nreligion = \"http://example.org/religion\"\n";
    let head = "source,target,via,with,when,way,guide\n";
    Files::from([
        ("p/package.toml".to_owned(), manifest.as_bytes().to_vec()),
        ("p/segments/PID-Patient.csv".to_owned(), format!("{head}{rows}").into_bytes()),
        ("p/coverage.csv".to_owned(), format!("guide,reason\n{reasons}").into_bytes()),
    ])
}

#[track_caller]
fn check(rows: &[(&str, &str, &str, &str)], ours: &str, reasons: &str, expect: &[&str]) {
    let found = compare(&guide(rows), "p", &package(ours, reasons));
    let status: Vec<&str> = found.rows.iter().map(|(_, status)| status.as_str()).collect();
    assert_eq!(status, expect, "{:?}", found.mistakes);
    assert_eq!(found.mistakes, []);
}

#[test]
fn a_row_is_implemented_by_a_row_that_cites_it() {
    let ours = "PID-5,Patient.name[+],XPN-HumanName,,,,PID[Patient]#PID-5\n";
    check(&[("5", "PID-5", "name[1]", "")], ours, "", &["implemented"]);
    check(&[("5", "PID-5", "birthDate", "")], ours, "", &["other target"]);
    check(&[("6", "PID-6", "birthDate", ""), ("5", "PID-5", "name", "")], ours, "", &["open", "implemented"]);
}

#[test]
fn the_parts_of_a_target_are_compared_and_not_its_indexes() {
    let ours = "PID-9,Patient.contact[$].name.given[+],trimmed,,,,PID[Patient]#PID-9\n";
    check(&[("9", "PID-9", "contact[2].name.given[1]", "")], ours, "", &["implemented"]);
    check(&[("9", "PID-9", "contact", "")], ours, "", &["implemented"]);
    check(&[("9", "PID-9", "photo", "")], ours, "", &["other target"]);
}

#[test]
fn an_extension_is_known_by_its_url() {
    let ours = "PID-17,Patient.extension[religion].valueCode,code,,,,PID[Patient]#PID-17\n";
    let row = |url| [("17", "PID-17", "extension[1].url", url)];
    check(&row("http://example.org/religion"), ours, "", &["implemented"]);
    check(&row("http://example.org/other"), ours, "", &["other target"]);
}

#[test]
fn what_is_left_out_has_a_reason() {
    let rows = [("1", "PID-1", "", ""), ("2", "PID-2", "identifier", ""), ("3", "PID-3", "identifier", "")];
    let reasons = "PID[Patient]#PID-2,an older field says the same\nPID[Patient]#PID-3*,too\n";
    check(&rows, "", reasons, &["no target in the guide", "reasoned", "reasoned"]);
    let drop = "PID-2,,drop: not for others,,,,PID[Patient]#PID-2\n";
    check(&[("2", "PID-2", "identifier", "")], drop, "", &["reasoned"]);
}

#[test]
fn one_of_two_targets_may_be_left_out() {
    let ours = "PID-7,Patient.birthDate,date,,,,PID[Patient]#PID-7\n";
    let rows = [("7", "PID-7", "birthDate", ""), ("7", "PID-7", "animal", "")];
    check(&rows, ours, "PID[Patient]#PID-7@animal,no animals here\n", &["implemented", "reasoned"]);
}

#[test]
fn the_field_is_taken_from_the_order_where_only_the_segment_is_named() {
    let ours = "PID-7,Patient.birthDate,date,,,,PID[Patient]#PID-7\nconst,Patient.active,true,,,,PID[Patient]#PID\n";
    check(&[("7", "PID", "birthDate", ""), ("0", "", "active", "")], ours, "", &["implemented", "implemented"]);
}

#[test]
fn a_citation_of_what_is_not_there_is_a_mistake() {
    let ours = "PID-5,Patient.name[+],XPN-HumanName,,,,PID[Patient]#PID-55\n\
                PID-6,Patient.name[+],XPN-HumanName,,,,PID[Person]#PID-6\n\
                PID-7,Patient.birthDate,date,,,,PID[Patient]\n";
    let reasons = "PID[Patient]#PID-99,none\nPID[Patient]#PID-5,\n";
    let found = compare(&guide(&[("5", "PID-5", "name", "")]), "p", &package(ours, reasons));
    let lines: Vec<String> = found.mistakes.iter().map(Mistake::to_line).collect();
    assert_eq!(
        lines,
        [
            "p/coverage.csv:2: the guide has no such row",
            "p/coverage.csv:3: expected a reason",
            "p/segments/PID-Patient.csv:2: the guide has no row PID[Patient]#PID-55",
            "p/segments/PID-Patient.csv:3: the guide has no table PID[Person]",
            "p/segments/PID-Patient.csv:4: expected a row of PID[Patient], as PID[Patient]#…",
        ]
    );
    assert!(!found.is_complete());
}

#[test]
fn codes_are_compared_by_what_they_become() {
    let mut guide = Guide::default();
    let text = "x,,,,,,,,,\nCode,Text,Code System,A,B,C,Code,,Display,Code System\n\
                F,,,,,,female,,,\nN,,,,,,other,,,\nX,,,,,,,,,\n,,,,,,more,,,\n";
    guide.table(Level::Codes, "AdministrativeSex", text);
    let rows = "code,system,target,display,equivalence,guide\n@table,urn:t,,,,AdministrativeSex\n\
                F,urn:s,female,,,AdministrativeSex\nN,urn:s,unknown,,,AdministrativeSex\n";
    let files = Files::from([
        ("p/package.toml".to_owned(), b"name = \"p\"".to_vec()),
        ("p/codes/Sex.csv".to_owned(), rows.as_bytes().to_vec()),
    ]);
    let found = compare(&guide, "p", &files);
    let status: Vec<&str> = found.rows.iter().map(|(_, status)| status.as_str()).collect();
    let none = "no target in the guide";
    assert_eq!(status, ["implemented", "other target", none, none]);
    assert_eq!(found.mistakes, []);
}

#[test]
fn a_message_row_is_known_by_structure_segment_and_table() {
    let mut guide = guide(&[("5", "PID-5", "name", "")]);
    let text = "x,,,,,,,,,,,,,\nSort Order,Identifier,Syntax,Name,Min,Max,A,B,N,Primary Target,Segment Map,References,,\n\
                1,ADT_A01.PID,PID,,,,,,,Patient[1],PID[Patient],,,\n\
                1,ADT_A01.PID,PID,,,,,,,Account,PID[Account],,,\n\
                2,ADT_A01.GROUP,[{,--- GROUP begin,,,,,,,,,,\n\
                3,ADT_A01.GROUP.DB1,[{ DB1 }],,,,,,,Observation,,,,\n";
    guide.table(Level::Messages, "ADT_A01", text);
    let mut files = package("PID-5,Patient.name[+],XPN-HumanName,,,,PID[Patient]#PID-5\n", "");
    let manifest = "name = \"p\"\n[messages.ADT.types]\n\"ADT^A01\" = \"ADT_A01\"\n";
    files.insert("p/package.toml".to_owned(), manifest.as_bytes().to_vec());
    let table = "group,segment,tables,mode,when,from,guide\n,PID,Patient,,,,ADT_A01\n";
    files.insert("p/messages/ADT.csv".to_owned(), table.as_bytes().to_vec());
    let found = compare(&guide, "p", &files);
    let status: Vec<&str> = found.rows.iter().map(|(_, status)| status.as_str()).collect();
    assert_eq!(status, ["implemented", "implemented", "other target", "no target in the guide", "open"]);
}

/// The guide's tables: `v2-to-fhir` in the folder that `$ANCHORLINE_REFERENCE` names.
fn reference(test: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("ANCHORLINE_REFERENCE") else {
        eprintln!("skipped: {test}: ANCHORLINE_REFERENCE is not set");
        return None;
    };
    let folder = PathBuf::from(folder);
    assert!(folder.is_dir(), "ANCHORLINE_REFERENCE names no folder");
    Some(folder)
}

fn embedded(reference: &Path) -> Coverage {
    let files: Files = mappers::Packages::embedded_files();
    coverage(reference, "hl7v2-base", &files).unwrap()
}

#[test]
fn the_base_package_covers_the_guide() {
    let Some(folder) = reference("the_base_package_covers_the_guide") else { return };
    let found = embedded(&folder);
    let mistakes: Vec<String> = found.mistakes.iter().map(Mistake::to_line).collect();
    assert_eq!(mistakes, Vec::<String>::new());
    for (level, implemented, open) in FLOOR {
        let counts = found.counts(level);
        assert!(counts.implemented >= implemented, "{level}: {} implemented", counts.implemented);
        assert!(counts.open <= open, "{level}: {} open", counts.open);
    }
}

/// By level: how many rows are implemented at least, and open at most.
const FLOOR: [(Level, usize, usize); 4] =
    [(Level::Messages, 347, 0), (Level::Segments, 582, 0), (Level::Datatypes, 233, 0), (Level::Codes, 1_142, 0)];

#[test]
fn the_page_of_the_coverage_is_up_to_date() {
    let Some(folder) = reference("the_page_of_the_coverage_is_up_to_date") else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/coverage-hl7v2.md");
    let page = embedded(&folder).to_markdown();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, page).unwrap();
        return;
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == page,
        "UPDATE_GOLDEN=1 rewrites docs/coverage-hl7v2.md"
    );
}

fn ccda(reference: &Path) -> Coverage {
    coverage(reference, "ccda-base", &mappers::Packages::embedded_files()).unwrap()
}

#[test]
fn the_package_for_documents_covers_its_guide() {
    let Some(folder) = reference("the_package_for_documents_covers_its_guide") else { return };
    let found = ccda(&folder);
    let mistakes: Vec<String> = found.mistakes.iter().map(Mistake::to_line).collect();
    assert_eq!(mistakes, Vec::<String>::new());
    for (level, implemented) in CCDA_FLOOR {
        let counts = found.counts(level);
        assert!(counts.implemented >= implemented, "{level}: {} implemented", counts.implemented);
        assert_eq!(counts.open, 0, "{level}: {:?}", found.clone().row_lines(AllRows::OpenOnly));
    }
}

/// By level: how many rows are implemented at least. None is open.
const CCDA_FLOOR: [(Level, usize); 4] =
    [(Level::ToFhir, 121), (Level::FromFhir, 99), (Level::Datatypes, 56), (Level::Codes, 361)];

#[test]
fn the_page_of_the_coverage_of_documents_is_up_to_date() {
    let Some(folder) = reference("the_page_of_the_coverage_of_documents_is_up_to_date") else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/coverage-ccda.md");
    let page = ccda(&folder).to_markdown();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, page).unwrap();
        return;
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == page,
        "UPDATE_GOLDEN=1 rewrites docs/coverage-ccda.md"
    );
}
