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
    ] {
        let draft = draft("x", text.as_bytes()).unwrap();
        load(&draft, "x").unwrap_or_else(|error| panic!("{text:?}: {error}\n{:#?}", draft.files));
    }
    assert_eq!(draft("x", b"").unwrap_err(), DraftError::Empty);
    assert_eq!(draft("../x", b"a").unwrap_err(), DraftError::Name);
}
