use super::*;
use crate::role::Role;

fn secrets() -> SourceSecrets {
    let mut secrets = SourceSecrets::default();
    secrets.add("lab", SourceSecret::from_file(b"a long enough secret\n").unwrap());
    secrets.add("ward", SourceSecret::from_file(b"another long secret of the ward").unwrap());
    secrets
}

fn basic(user: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")))
}

#[test]
fn knows_a_source_by_basic_and_by_bearer() {
    for header in [
        basic("lab", "a long enough secret"),
        "Bearer a long enough secret".to_owned(),
        "bearer  a long enough secret ".to_owned(),
    ] {
        let caller = secrets().check("lab", &header).unwrap();
        assert_eq!(caller.source_name(), Some("lab"));
        assert!(caller.has(Role::Source) && caller.binding().is_none());
    }
}

#[test]
fn refuses_wrong_secrets_other_sources_and_other_schemes() {
    let unknown = Err(CredentialError::Unknown);
    let form = Err(CredentialError::Form);
    for (source, header, expected) in [
        ("lab", basic("lab", "a long enough secre"), &unknown),
        ("lab", basic("lab", ""), &unknown),
        ("lab", basic("lab", "another long secret of the ward"), &unknown),
        ("lab", "Bearer another long secret of the ward".to_owned(), &unknown),
        ("none", "Bearer a long enough secret".to_owned(), &unknown),
        ("lab", basic("ward", "another long secret of the ward"), &form),
        ("lab", "Basic !!!".to_owned(), &form),
        ("lab", format!("Basic {}", STANDARD.encode("nocolon")), &form),
        ("lab", "Digest username=lab".to_owned(), &form),
        ("lab", "Bearer".to_owned(), &form),
        ("lab", String::new(), &form),
    ] {
        assert_eq!(&secrets().check(source, &header), expected, "{source} {header}");
    }
}

#[test]
fn a_secret_may_hold_colons() {
    let mut secrets = SourceSecrets::default();
    secrets.add("lab", SourceSecret::from_file(b"with:two:colons:inside").unwrap());
    assert!(secrets.check("lab", &basic("lab", "with:two:colons:inside")).is_ok());
}

#[test]
fn both_secrets_count_while_one_is_changed() {
    let mut secrets = secrets();
    secrets.add("lab", SourceSecret::from_file(b"the secret that comes next").unwrap());
    assert!(secrets.check("lab", "Bearer a long enough secret").is_ok());
    assert!(secrets.check("lab", "Bearer the secret that comes next").is_ok());
}

#[test]
fn short_secrets_are_none_and_no_secret_is_shown() {
    assert!(SourceSecret::from_file(b"short\n").is_none());
    assert!(!format!("{:?}", secrets()).contains("secret of"));
}
