use super::*;
use crate::package::Packages;

/// A sample of invented rows.
fn sample(delimiter: char) -> String {
    let mut out =
        "MRN,Last Name,First Name,DOB,Sex,Test Code,Test Name,Result,Units,Collected,Status,Ward\n".to_owned();
    for row in 0..60 {
        let sex = ["F", "M", "7"][row % 3];
        let day = row % 28 + 1;
        out.push_str(&format!(
            "{},Quillfeather{row},Zebedee{row},{day:02}/13/19{},{sex},GLU,Glucose,{}.5,mmol/L,06/{day:02}/2024 07:{:02},F,Blue\n",
            9000 + row,
            row % 50 + 40,
            row % 9,
            row % 60
        ).replace(&format!("{day:02}/13/"), &format!("{:02}/13/", row % 12 + 1)));
    }
    out.replace(',', &delimiter.to_string())
}

fn load(draft: &Draft, name: &str) -> Result<Packages, String> {
    let files = draft.files.iter().map(|(path, text)| (format!("{name}/{path}"), text.clone().into_bytes()));
    Packages::load(files).map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_draft_loads_and_maps_the_sample_it_is_of() {
    for delimiter in [',', ';', '\t', '|'] {
        let sample = sample(delimiter);
        let draft = draft("quay", sample.as_bytes()).unwrap();
        let packages = load(&draft, "quay").unwrap_or_else(|error| panic!("{error}\n{:#?}", draft.files));
        let file = super::super::File { name: "x.csv", bytes: sample.as_bytes() };
        let converted = packages.convert_flat(&[], &[file], &crate::Context::default(), true).unwrap();
        assert_eq!(converted.rows, 60);
        let text = converted.bundle.to_text();
        assert!(text.contains("\"birthDate\":\"1940-01-13\""), "{text}");
        assert!(text.contains("\"family\":\"Quillfeather3\"") && text.contains("\"gender\":\"female\""));
        assert!(text.contains("\"valueQuantity\":{\"value\":1.5,\"unit\":\"mmol/L\"}"), "{text}");
        let kept: Vec<&str> =
            converted.loss.kept.iter().filter_map(|(at, _)| at.split_once(',')).map(|(_, c)| c).collect();
        assert!(kept.iter().all(|column| matches!(*column, "Sex" | "Ward")), "{kept:?}");
    }
}

#[test]
fn no_cell_that_says_who_somebody_is_goes_into_the_package() {
    let draft = draft("quay", sample(',').as_bytes()).unwrap();
    for (path, text) in draft.files.iter().chain([(&"profile".to_owned(), &draft.profile)]) {
        for word in ["Quillfeather", "Zebedee", "900", "Blue", "13/19"] {
            assert!(!text.contains(word), "{path} has {word}:\n{text}");
        }
    }
    assert!(draft.files["codes/Sex.csv"].contains("F,,female,,,own?"));
    assert!(draft.files["codes/Sex.csv"].contains("7,,,,unmatched,own?"), "an unknown code is asked about");
}

#[test]
fn guesses_are_marked() {
    let draft = draft("quay", sample(',').as_bytes()).unwrap();
    let patient = &draft.files["rows/rows-Patient.csv"];
    assert!(patient.contains("# Ward: what is it?"), "{patient}");
    assert!(patient.lines().filter(|line| line.starts_with("DOB,")).all(|line| line.ends_with("own?")));
    assert!(draft.profile.contains("MM/dd/yyyy") && draft.profile.contains("60 rows"), "{}", draft.profile);
}

#[test]
fn a_date_that_may_be_read_two_ways_is_asked_about() {
    let sample = "id,dob\n1,03/04/1958\n2,05/06/1960\n";
    let draft = draft("x", sample.as_bytes()).unwrap();
    assert!(draft.files["package.toml"].contains("Or dd/MM/yyyy"), "{}", draft.files["package.toml"]);
}

#[test]
fn a_file_without_header_and_one_of_fixed_width_get_columns() {
    let draft_of = |text: &str| draft("x", text.as_bytes()).unwrap();
    let bare = draft_of("17|1958-11-03|5.4\n18|1960-01-05|6.1\n");
    assert!(bare.files["package.toml"].contains("header = false"), "{}", bare.files["package.toml"]);
    load(&bare, "x").unwrap();
    let fixed = draft_of("0017 19581103 F\n0018 19600105 M\n0019 19610105 F\n");
    assert!(fixed.files["package.toml"].contains("start = 6, length = 9"), "{}", fixed.files["package.toml"]);
    load(&fixed, "x").unwrap();
}

#[test]
fn odd_samples_give_a_draft_that_loads_or_a_reason() {
    for text in [
        "a",
        "a,a,a\n1,2,3\n",
        "\"x\ny,z\n",
        ",,\n,,\n",
        "id,const,a+b,c.d,#,@x\n1,2,3,4,5,6\n",
        "\u{feff}id;dob\n1;2\n",
        // Names over several lines.
        "id,\"date\nof birth\",\"a\rb\",\"c\u{2028}d\"\n1,2,3,4\n",
        "id,\"x\r\nSex\"\n1,\"F\rM\"\n",
    ] {
        let draft = draft("x", text.as_bytes()).unwrap();
        load(&draft, "x").unwrap_or_else(|error| panic!("{text:?}: {error}\n{:#?}", draft.files));
    }
    assert_eq!(draft("x", b"").unwrap_err(), DraftError::Empty);
    assert_eq!(draft("../x", b"a").unwrap_err(), DraftError::Name);
}

proptest::proptest! {
    /// Whatever the names and the cells of a file are, its draft is a package.
    #[test]
    fn any_table_gives_a_draft_that_loads(
        rows in proptest::collection::vec(proptest::collection::vec("(?s).{0,8}|sex|dob|mrn|test code|result|units|cvx|F|7", 3), 1..6)
    ) {
        let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
        let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",");
        let sample = rows.iter().map(line).collect::<Vec<_>>().join("\n");
        let draft = draft("x", sample.as_bytes()).unwrap();
        load(&draft, "x").unwrap_or_else(|error| panic!("{sample:?}: {error}\n{:#?}", draft.files));
    }
}

/// Drafts a package, loads it, and maps the sample with it: the Bundle, the findings and the manifest.
#[track_caller]
fn used(sample: &[u8]) -> (String, Vec<String>, Draft) {
    let draft = draft("quay", sample).unwrap();
    let packages = load(&draft, "quay").unwrap_or_else(|error| panic!("{error}\n{:#?}", draft.files));
    let file = super::super::File { name: "x", bytes: sample };
    let converted = packages.named("quay").unwrap().convert_flat(&[file], &crate::Context::default(), true);
    let converted = converted.unwrap_or_else(|issues| panic!("{issues:?}\n{}", draft.files["package.toml"]));
    let serious = |issue: &&model::outcome::Issue| issue.severity != model::outcome::Severity::Information;
    let issues = converted.issues.iter().filter(serious);
    let said = issues.map(|issue| format!("{} {}", issue.code, issue.at.clone().unwrap_or_default())).collect();
    (converted.bundle.to_text(), said, draft)
}

#[test]
fn a_laboratory_with_a_trailer_decimal_commas_and_short_years() {
    let sample = b"HDR;QUAY;20240614\r\nPat-Nr;Nachname;Vorname;Geb.-Datum;Geschlecht;Analyse;Ergebnis;Einheit;Entnahme\r\n\
        7;M\xfcller;Anna;03.11.58;W;Natrium;1.234,50;mmol/L;14.06.2024 08:15\r\n8;Lund;Bo;13.01.61;M;Kalium;<0,5;mmol/L;14.06.2024 08:20\r\n\
        9;Ray;Cy;21.10.71;M;Kalium;4,2;mmol/L;14.06.2024 09:20\r\nTRL;3\r\n";
    let (bundle, issues, draft) = used(sample);
    assert_eq!(issues, Vec::<String>::new(), "{}", draft.files["package.toml"]);
    for expected in [
        r#""birthDate":"1958-11-03""#,
        r#""value":1234.50"#,
        r#""comparator":"<""#,
        r#""value":4.2"#,
        "Müller",
        r#""gender":"female""#,
    ] {
        assert!(bundle.contains(expected), "{expected} in {bundle}");
    }
    let toml = &draft.files["package.toml"];
    for expected in ["skip = 1", r#"envelope = { foot = "TRL", count = 1 }"#, r#"number = "1.234,5""#, "pivot = 1930"] {
        assert!(toml.contains(expected), "{expected} in {toml}");
    }
    // Every guess is a question.
    for guess in ["skip =", "envelope =", "number =", "pivot =", "encoding ="] {
        let lines: Vec<&str> = toml.lines().collect();
        let at = lines.iter().position(|line| line.starts_with(guess)).unwrap();
        assert!(
            lines[at - 1].starts_with('#') && lines[at - 1].contains('?') || lines[at - 1].contains("cut off"),
            "{guess}: {toml}"
        );
    }
}

#[test]
fn a_device_with_titles_repeated_names_and_a_delimiter_at_the_end() {
    let text = "Monitor export 4.2\r\nWard 4\r\n\r\nMRN\tTime\tPulse\tUnit\tSpO2\tUnit\t\r\n\
        M1\t6/14/2024 9:05 PM\t72\t/min\t98\t%\t\r\nM2\t6/14/2024 9:06 PM\t999\t/min\t97\t%\t\r\nM3\t6/15/2024 9:07 AM\t81\t/min\t96\t%\t\r\n";
    let wide: Vec<u8> = [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let (bundle, issues, draft) = used(&wide);
    let toml = &draft.files["package.toml"];
    assert_eq!(issues, Vec::<String>::new(), "{toml}");
    for expected in
        ["skip = 3", "trailing_delimiter = true", r#""Unit#2""#, r#""Time" = ["M/d/yyyy h:mm a"]"#, "header = true"]
    {
        assert!(toml.contains(expected), "{expected} in {toml}");
    }
    assert!(bundle.contains("rows:Unit%232") || bundle.contains("rows:Unit#2"), "{bundle}");
}

#[test]
fn a_vaccination_registry_becomes_immunizations() {
    let sample = b"patient_id|last_name|dob|sex|cvx_code|vaccine|admin_date|lot_number|dose\r1001|Okafor|1988-02-29|M|141|Influenza|2024-10-01|L42|0.5\r\
        1002|Lund|1990-05-06|F|208|COVID-19|2024-10-02||0.3\r1003|Ray|1975-07-08|M|141|Influenza|||0.5\r";
    let (bundle, issues, draft) = used(sample);
    assert_eq!(issues, Vec::<String>::new());
    for expected in [
        r#""occurrenceDateTime":"2024-10-01""#,
        r#""lotNumber":"L42""#,
        r#""code":"208""#,
        r#""occurrenceString":"unknown""#,
    ] {
        assert!(bundle.contains(expected), "{expected} in {bundle}");
    }
    let rows = &draft.files["rows/rows-Immunization.csv"];
    assert!(rows.lines().filter(|line| line.starts_with("cvx_code,")).all(|line| line.ends_with("own?")), "{rows}");
}

#[test]
fn no_line_around_the_rows_goes_into_the_package() {
    let sample =
        "Quillfeather clinic\nid,dob,result\n1,1958-11-03,5\n2,1960-01-05,6\n3,1960-01-05,6\nQuillfeather,Zebedee\n";
    let draft = draft("x", sample.as_bytes()).unwrap();
    for (path, text) in draft.files.iter().chain([(&"profile".to_owned(), &draft.profile)]) {
        assert!(!text.contains("Quill") && !text.contains("Zebedee"), "{path}:\n{text}");
    }
    assert!(draft.files["package.toml"].contains("skip = 1"));
}
