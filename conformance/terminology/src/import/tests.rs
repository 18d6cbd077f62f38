//! Releases in the publishers' layouts, written by us: no code, name or number below is a publisher's text.

use std::path::Path;

use tempfile::{TempDir, tempdir};

use super::*;
use crate::concepts::Concepts;
use crate::release::Release;

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

struct Imported {
    _folder: TempDir,
    release: Release,
}

fn import(system: System, version: Option<&str>, files: &[(&str, &str)]) -> Result<Imported, ReleaseError> {
    let folder = tempdir().unwrap();
    let source = folder.path().join("source");
    std::fs::create_dir(&source).unwrap();
    write(&source, files);
    let import = Import { system, release: &source, version, url: None, folder: &folder.path().join("releases") };
    let path = import.run(&mut |_| {})?;
    let release = Release::open(&path)?;
    release.verify()?;
    Ok(Imported { _folder: folder, release })
}

impl Imported {
    /// `display; parents; flags; properties` of a code.
    fn show(&self, code: &str) -> String {
        let Some(concept) = self.release.find(code) else { return "absent".to_owned() };
        let parents = self.release.parents(concept).into_iter();
        let parents: Vec<String> = parents.map(|id| self.release.code(id).unwrap().into_owned()).collect();
        let mut properties: Vec<String> = self
            .release
            .properties(concept)
            .into_iter()
            .map(|(name, value)| format!("{name}={}", value.text()))
            .collect();
        properties.sort();
        format!(
            "{}; {}; {}{}; {}",
            self.release.display(concept).unwrap_or_default(),
            parents.join(","),
            if self.release.active(concept) { "" } else { "inactive" },
            if self.release.selectable(concept) { "" } else { "abstract" },
            properties.join(" ")
        )
    }
}

#[test]
fn snomed_ct_snapshots_are_read() {
    let imported = import(
        System::SnomedCt,
        None,
        &[
            (
                "Snapshot/Terminology/sct2_Concept_Snapshot_INT_20250101.txt",
                "id\teffectiveTime\tactive\tmoduleId\tdefinitionStatusId\r\n\
                 1000004\t20250101\t1\t7\t900000000000074008\r\n\
                 2000003\t20250101\t1\t7\t900000000000073002\r\n\
                 3000000\t20250101\t0\t7\t900000000000074008\r\n",
            ),
            (
                "Snapshot/Terminology/sct2_Description_Snapshot-en_INT_20250101.txt",
                "id\teffectiveTime\tactive\tmoduleId\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId\n\
                 11\t2025\t1\t7\t1000004\ten\t900000000000003001\tTop (thing)\t9\n\
                 12\t2025\t1\t7\t1000004\ten\t900000000000013009\tSummit\t9\n\
                 13\t2025\t1\t7\t1000004\ten\t900000000000013009\tTop\t9\n\
                 21\t2025\t1\t7\t2000003\ten\t900000000000003001\tBelow (thing)\t9\n\
                 22\t2025\t0\t7\t2000003\ten\t900000000000013009\tGone\t9\n\
                 31\t2025\t1\t7\t3000000\ten\t900000000000003001\tPast (thing)\t9\n",
            ),
            (
                "Snapshot/Refset/Language/der2_cRefset_LanguageSnapshot-en_INT_20250101.txt",
                "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\tacceptabilityId\n\
                 a\t2025\t1\t7\t900000000000509007\t13\t900000000000548007\n\
                 b\t2025\t1\t7\t900000000000509007\t12\t900000000000549004\n\
                 c\t2025\t1\t7\t900000000000509007\t11\t900000000000548007\n",
            ),
            (
                "Snapshot/Refset/Content/der2_Refset_SimpleSnapshot_INT_20250101.txt",
                "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\n\
                 a\t2025\t1\t7\t999001\t2000003\nb\t2025\t0\t7\t999001\t1000004\n",
            ),
            (
                "Snapshot/Terminology/sct2_Relationship_Snapshot_INT_20250101.txt",
                "id\teffectiveTime\tactive\tmoduleId\tsourceId\tdestinationId\trelationshipGroup\ttypeId\tcharacteristicTypeId\tmodifierId\n\
                 1\t2025\t1\t7\t2000003\t1000004\t0\t116680003\t9\t9\n\
                 2\t2025\t1\t7\t2000003\t1000004\t1\t363698007\t9\t9\n\
                 3\t2025\t0\t7\t1000004\t2000003\t0\t116680003\t9\t9\n",
            ),
        ],
    )
    .unwrap();
    assert_eq!(imported.release.version(), Some("http://snomed.info/sct/900000000000207008/version/20250101"));
    assert_eq!(imported.show("1000004"), "Top; ; ; moduleId=7 sufficientlyDefined=false");
    assert_eq!(
        imported.show("2000003"),
        "Below (thing); 1000004; ; 363698007=1000004 moduleId=7 sufficientlyDefined=true"
    );
    assert_eq!(imported.show("3000000"), "Past (thing); ; inactive; moduleId=7 sufficientlyDefined=false");
    let below = imported.release.find("2000003").unwrap();
    assert_eq!(imported.release.reference_set("999001"), Some(vec![below]));
    assert_eq!(imported.release.designations(imported.release.find("1000004").unwrap()).len(), 3);
}

#[test]
fn loinc_tables_are_read() {
    let imported = import(
        System::Loinc,
        None,
        &[
            (
                "LoincTable/Loinc.csv",
                "\u{feff}\"LOINC_NUM\",\"COMPONENT\",\"SCALE_TYP\",\"STATUS\",\"VersionLastChanged\",\"SHORTNAME\",\"LONG_COMMON_NAME\",\"EXTERNAL_COPYRIGHT_NOTICE\"\n\
                 \"1-8\",\"Thing, \"\"odd\"\"\",\"Qn\",\"ACTIVE\",\"2.9\",\"Thg\",\"Thing in place\",\"\"\n\
                 \"2-6\",\"Other\",\"Ord\",\"DEPRECATED\",\"2.77\",\"\",\"Other in place\",\"someone\"\n",
            ),
            (
                "AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv",
                "PATH_TO_ROOT,SEQUENCE,IMMEDIATE_PARENT,CODE,CODE_TEXT\n,1,,LP1-1,Root\nLP1-1,1,LP1-1,1-8,Thing in place\n",
            ),
            (
                "AccessoryFiles/AnswerFile/AnswerList.csv",
                "AnswerListId,AnswerListName,AnswerStringId,DisplayText\nLL1-9,Some answers,LA1-1,Often\nLL1-9,Some answers,LA2-2,Never\nLL2-7,Elsewhere,,\n",
            ),
            (
                "AccessoryFiles/AnswerFile/LoincAnswerListLink.csv",
                "LoincNumber,LongCommonName,AnswerListId\n2-6,Other in place,LL1-9\n",
            ),
            (
                "AccessoryFiles/LinguisticVariants/deDE15LinguisticVariant.csv",
                "LOINC_NUM,COMPONENT,LONG_COMMON_NAME\n1-8,Ding,Ding am Ort\n",
            ),
        ],
    )
    .unwrap();
    assert_eq!(imported.release.version(), Some("2.77"));
    assert_eq!(
        imported.show("1-8"),
        "Thing in place; LP1-1; ; COMPONENT=Thing, \"odd\" SCALE_TYP=Qn STATUS=ACTIVE copyright=LOINC"
    );
    assert_eq!(
        imported.show("2-6"),
        "Other in place; ; inactive; COMPONENT=Other SCALE_TYP=Ord STATUS=DEPRECATED answer-list=LL1-9 copyright=3rdParty"
    );
    assert_eq!(imported.show("LP1-1"), "Root; ; ; ");
    assert_eq!(imported.show("LA2-2"), "Never; ; ; ");
    let answers = imported.release.reference_set("LL1-9").unwrap().into_iter();
    let answers: Vec<_> = answers.map(|id| imported.release.code(id).unwrap().into_owned()).collect();
    assert_eq!(answers, ["LA1-1", "LA2-2"]);
    let german = imported.release.designations(imported.release.find("1-8").unwrap());
    assert!(german.iter().any(|one| one.language.as_deref() == Some("de-DE") && one.text == "Ding am Ort"));
}

#[test]
fn rxnorm_files_are_read() {
    let row = |code: &str, source: &str, kind: &str, text: &str, suppress: &str| {
        format!("{code}|ENG||||||1|||{code}|{source}|{kind}|{code}|{text}||{suppress}||\n")
    };
    let names = [
        row("10", "RXNORM", "SY", "aid", "N"),
        row("10", "RXNORM", "IN", "remedy", "N"),
        row("20", "RXNORM", "SCD", "remedy 5 MG Oral Tablet", "O"),
        row("30", "OTHER", "BN", "not ours", "N"),
    ]
    .concat();
    let imported = import(
        System::RxNorm,
        None,
        &[
            ("rrf/RXNCONSO.RRF", &names),
            ("rrf/RXNSTY.RRF", "10|T109|A1|Organic Chemical|AT1||\n"),
            ("rrf/RXNREL.RRF", "10||CUI|RO|20||CUI|has_ingredient|1||RXNORM|RXNORM||||4096|\n10||CUI|PAR|20||CUI|isa|2||RXNORM|RXNORM|||||\n"),
            ("rrf/RXNSAB.RRF", "1|2|3|RXNORM|RxNorm|RXNORM|20AA_250303F|\n"),
        ],
    )
    .unwrap();
    assert_eq!(imported.release.version(), Some("03032025"));
    assert_eq!(imported.show("10"), "remedy; ; ; STY=T109 TTY=IN");
    assert_eq!(imported.show("20"), "remedy 5 MG Oral Tablet; 10; inactive; TTY=SCD has_ingredient=10 isa=10");
    assert_eq!(imported.show("30"), "absent");
}

#[test]
fn icd_10_claml_is_read() {
    let text = r#"<?xml version="1.0" encoding="UTF-8"?>
        <ClaML version="2.0.0"><Title name="ICD-10" version="2019" date="2019-01-01">t</Title>
        <Class code="X" kind="chapter"><SubClass code="X00"/><Rubric kind="preferred"><Label xml:lang="en">Chapter</Label></Rubric></Class>
        <Class code="X00" kind="category"><SuperClass code="X"/>
          <Rubric kind="preferred"><Label xml:lang="en">Fall &amp; <Term class="i">slip</Term>
             on ice</Label></Rubric>
          <Rubric kind="inclusion"><Label xml:lang="en">slide</Label></Rubric></Class></ClaML>"#;
    let imported = import(System::Icd10, None, &[("icd.xml", text)]).unwrap();
    assert_eq!(imported.release.version(), Some("2019"));
    assert_eq!(imported.show("X"), "Chapter; ; abstract; kind=chapter");
    assert_eq!(imported.show("X00"), "Fall & slip on ice; X; ; kind=category");
    assert!(import(System::Icd10, Some("1"), &[("icd.xml", "<ClaML><Class>")]).is_err());
}

#[test]
fn icd_10_cm_order_files_are_read() {
    let text = format!(
        "{:<5} {:<7} {} {:<60} {}\n{:<5} {:<7} {} {:<60} {}\n{:<5} {:<7} {} {:<60} {}\n",
        "00001",
        "X00",
        0,
        "Falls",
        "Falls on ice",
        "00002",
        "X001",
        0,
        "Slip",
        "Slip on ice",
        "00003",
        "X001XXA",
        1,
        "Slip, init",
        "Slip on ice, initial encounter"
    );
    let imported = import(System::Icd10Cm, None, &[("icd10cm_order_2025.txt", &text)]).unwrap();
    assert_eq!(imported.release.version(), Some("2025"));
    assert_eq!(imported.show("X00"), "Falls on ice; ; abstract; ");
    assert_eq!(imported.show("X00.1"), "Slip on ice; X00; abstract; ");
    assert_eq!(imported.show("X00.1XXA"), "Slip on ice, initial encounter; X00.1; ; ");
}

#[test]
fn faults_of_a_release_are_named_and_leave_nothing() {
    let name = |outcome: Result<Imported, ReleaseError>| outcome.err().map(|why| why.to_string()).unwrap_or_default();
    assert!(name(import(System::SnomedCt, None, &[])).ends_with("has no file sct2_Concept_Snapshot*.txt"));
    let short = name(import(System::RxNorm, Some("1"), &[("RXNCONSO.RRF", "10|ENG\n")]));
    assert!(short.ends_with("RXNCONSO.RRF, line 1: expected more columns"), "{short}");
    let version = name(import(System::Loinc, None, &[("Loinc.csv", "LOINC_NUM\n1-8\n")]));
    assert_eq!(version, "the version cannot be told from the release: name it");
    let folder = tempdir().unwrap();
    write(folder.path(), &[("source/RXNCONSO.RRF", "10|ENG\n")]);
    let releases = folder.path().join("releases");
    let import = Import {
        system: System::RxNorm,
        release: &folder.path().join("source"),
        version: Some("1"),
        url: None,
        folder: &releases,
    };
    assert!(import.run(&mut |_| {}).is_err());
    assert_eq!(std::fs::read_dir(&releases).unwrap().count(), 0);
}
