use std::path::Path;

use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("."))
}

#[track_caller]
fn problems(text: &str) -> Vec<Problem> {
    match parse(text) {
        Err(ConfigError::Problems(problems)) => problems,
        other => panic!("expected problems, found {other:?}"),
    }
}

#[track_caller]
fn check(text: &str, key: &str, part: &str) {
    let problems = problems(text);
    let found = problems.iter().any(|problem| problem.key == key && problem.to_string().contains(part));
    assert!(found, "expected {key} with {part:?} among {problems:?}");
}

#[test]
fn embedded_defaults_hold_and_stay_on_loopback() {
    parse(EMBEDDED).unwrap();
    let config = Config::embedded();
    assert!(config.is_loopback());
    assert_eq!(config.auth.mode, AuthMode::Development);
    assert_eq!(config.listen.http, None);
    assert_eq!(config.sources.len(), 3);
}

#[test]
fn a_file_without_sources_has_the_built_in_ones() {
    assert_eq!(parse("").unwrap().sources.len(), 3);
    assert_eq!(parse("[[source]]\nname = 'a'\ntransport = 'mllp'\nformat = 'hl7v2'").unwrap().sources.len(), 1);
}

#[test]
fn unknown_keys_come_with_the_closest_known_one() {
    check("[listen]\nhtps = 'x'", "listen.htps", "did you mean `http");
    check("[lisen]", "lisen", "did you mean `listen`?");
    check("[store]\nrepeat-window = '1d'", "store.repeat-window", "did you mean `repeat_window`?");
    check(
        "[[source]]\nname='a'\ntransport='mllp'\nformat='hl7v2'\nmatch={sending_app='X'}",
        "source[1].match.sending_app",
        "sending_application",
    );
}

#[test]
fn types_whose_versions_are_named_are_known_ones() {
    let fhir = |types: &str| parse(&format!("[fhir]\nversioned_update = {types}")).unwrap().fhir;
    let needs = |fhir: &Served, name: &str| fhir.needs_version(model::id::ResourceType::parse(name).unwrap());
    let one = fhir("['Patient']");
    assert!(needs(&one, "Patient") && !needs(&one, "Observation"));
    assert!(needs(&fhir("'*'"), "Observation"));
    assert!(!needs(&parse("").unwrap().fhir, "Patient"));
    check("[fhir]\nversioned_update = ['patient']", "fhir.versioned_update", "did you mean \"Patient\"?");
}

#[test]
fn every_problem_is_told_at_once() {
    let found =
        problems("[listen]\nhtps = 'x'\n[store]\ncache = 5\n[consent]\nbtg = 'overide'\n[[destination]]\nname = 'd'");
    let keys: Vec<_> = found.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["listen.htps", "store.cache", "consent.btg", "destination[1].transport"]);
    assert!(found.iter().all(|problem| !problem.suggestion.is_empty()));
}

#[test]
fn units_are_asked_for() {
    let config = parse(
        "[ledger]\nseal_interval='50ms'\n[store]\nrepeat_window='30d'\nmin_free='1GiB'\n[consent]\nbtg_rate='7/d'",
    )
    .unwrap();
    assert_eq!(config.ledger.seal_interval, Duration::from_millis(50));
    assert_eq!(config.store.repeat_window, Duration::from_secs(30 * 86_400));
    assert_eq!(config.store.min_free_bytes, 1 << 30);
    assert_eq!(config.consent.btg_rate, Rate { count: 7, per: Duration::from_secs(86_400) });
    check("[ledger]\nseal_interval = '50'", "ledger.seal_interval", "unit");
    check("[ledger]\nseal_interval = '0ms'", "ledger.seal_interval", "over zero");
    check("[store]\ncache = '99999999999999GiB'", "store.cache", "size");
    check("[consent]\nbtg_rate = '5'", "consent.btg_rate", "5/h");
}

#[test]
fn development_and_open_and_plain_http_refuse_what_is_not_loopback() {
    check("[auth]\nmode='development'\n[listen]\nhttps='0.0.0.0:8443'", "listen.https", "loopback");
    check("[auth]\nmode='open'\n[listen]\nhttps='0.0.0.0:8443'", "listen.https", "loopback");
    check("[auth]\nmode='smart'\n[listen]\nhttp='0.0.0.0:80'", "listen.http", "loopback");
    check("[auth]\nmode='smart'\n[listen]\nmllp='0.0.0.0:2575'", "listen.client_ca_file", "client certificates");
    check("[auth]\nmode='smart'\n[ledger]\nsealing='off'", "ledger.sealing", "measuring");
}

#[test]
fn the_mode_that_is_not_named_is_the_strictest_that_works() {
    assert_eq!(parse("").unwrap().auth.mode, AuthMode::Development);
    assert_eq!(parse("[listen]\nhttps='0.0.0.0:8443'").unwrap().auth.mode, AuthMode::Smart);
}

#[test]
fn break_glass_is_no_purpose_of_a_destination() {
    let destination = |purpose: &str| {
        format!(
            "[[destination]]\nname='d'\ntransport='mllp'\naddress='127.0.0.1:1'\nrecipient=['Organization/x']\npurpose=['{purpose}']"
        )
    };
    check(&destination("BTG"), "destination[1].purpose", "BTG");
    check(&destination("http://terminology.hl7.org/CodeSystem/v3-ActReason|BTG"), "destination[1].purpose", "BTG");
    assert!(parse(&destination("TREAT")).is_ok());
}

#[test]
fn partners_are_reached_in_tls_or_on_loopback() {
    let address = |transport: &str, address: &str| {
        format!("[[destination]]\nname='d'\ntransport='{transport}'\naddress='{address}'\nrecipient=['Organization/x']")
    };
    check(&address("fhir", "http://clinic.example/fhir"), "destination[1].address", "TLS");
    check(&address("mllp", "clinic.example:2575"), "destination[1].address", "TLS");
    check(&address("mllp", "127.0.0.1"), "destination[1].address", "port");
    check(&address("fhir", "ftp://x/"), "destination[1].address", "https");
    let config = parse(&address("fhir", "https://clinic.example/fhir/")).unwrap();
    let expected = PeerAddress { host: "clinic.example".to_owned(), port: 443, tls: true, path: "/fhir".to_owned() };
    assert_eq!(config.destinations[0].address, expected);
    assert!(parse(&address("mllp", "mllps://clinic.example:2575")).unwrap().destinations[0].address.tls);
    assert!(!parse(&address("mllp", "[::1]:2575")).unwrap().destinations[0].address.tls);
}

#[test]
fn destinations_of_a_source_exist() {
    let text = "[[source]]\nname='a'\ntransport='mllp'\nformat='hl7v2'\ndestinations=['clinc']\n\
        [[destination]]\nname='clinic'\ntransport='mllp'\naddress='127.0.0.1:1'\nrecipient=['Organization/x']";
    check(text, "source[1].destinations", "did you mean \"clinic\"?");
}

#[test]
fn several_fhir_sources_get_ids_of_their_own() {
    let source =
        |name: &str, more: &str| format!("[[source]]\nname='{name}'\ntransport='http'\nformat='fhir-r4'\n{more}\n");
    let config = parse(&(source("a", "") + &source("b", "ids='kept'"))).unwrap();
    assert_eq!((config.sources[0].ids, config.sources[1].ids), (Ids::Scoped, Ids::Kept));
    assert_eq!(parse(&source("a", "")).unwrap().sources[0].ids, Ids::Kept);
}

#[test]
fn names_are_unique_and_plain() {
    let source = |name: &str| format!("[[source]]\nname='{name}'\ntransport='http'\nformat='hl7v2'\n");
    check(&(source("a") + &source("a")), "source[2].name", "twice");
    check(&source("a b"), "source[1].name", "letters");
}

#[test]
fn what_is_no_toml_says_where() {
    assert!(matches!(parse("[listen"), Err(ConfigError::Syntax(text)) if text.contains("line 1")));
}

const SOURCE: &str = "[[source]]\nname='a'\ntransport='mllp'\nformat='hl7v2'\n";

#[test]
fn package_folders_are_looked_for_where_the_configuration_says() {
    check("[mappings]\ndirectories = ['/no/such/folder']", "mappings.directories", "no folder at /no/such/folder");
    check("[mappings]\nwatch = 'often'", "mappings.watch", "for example \"2s\" or \"off\"");
    check("[mappings]\ndirectory = ['x']", "mappings.directory", "did you mean `directories`?");
    check(&format!("{SOURCE}packages = ['./no/such']"), "source[1].packages", "no package folder at");
    assert_eq!(parse("[mappings]\nwatch = 'off'").unwrap().mappings.watch, None);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("ward")).unwrap();
    let config = Config::parse(&format!("{SOURCE}packages = ['./ward', 'hl7v2-base']"), folder.path()).unwrap();
    assert_eq!(config.sources[0].packages, ["ward", "hl7v2-base"]);
    assert_eq!(config.sources[0].package_folders, [folder.path().join("./ward")]);
}

#[test]
fn authorities_of_a_source_are_names_with_uris() {
    let config = parse(&format!("{SOURCE}authorities = {{ WARD = 'urn:oid:2.999.1', A = 'https://a.example/id' }}"));
    let expected =
        [("A".to_owned(), "https://a.example/id".to_owned()), ("WARD".to_owned(), "urn:oid:2.999.1".to_owned())];
    assert_eq!(config.unwrap().sources[0].authorities, expected);
    for wrong in ["2.999.1", "urn:oid:2.999.", "urn:oid:2.0999", "https://a b", "oid:", ""] {
        let text = format!("{SOURCE}authorities = {{ WARD = '{wrong}' }}");
        check(&text, "source[1].authorities.WARD", "expected the URI of an identifier system");
    }
}

#[test]
fn a_destination_names_the_version_and_the_delimiters_it_reads() {
    let destination =
        "[[destination]]\nname='d'\ntransport='mllp'\naddress='127.0.0.1:1'\nrecipient=['Organization/d']\n";
    let config = parse(&format!("{destination}hl7_version = '2.3'\nhl7_delimiters = '|^~\\&'")).unwrap();
    assert_eq!(config.destinations[0].hl7_version.as_deref(), Some("2.3"));
    assert_eq!(config.destinations[0].hl7_delimiters, Some(formats::hl7v2::Delimiters::default()));
    check(&format!("{destination}hl7_version = '3'"), "destination[1].hl7_version", "2.5.1");
    for wrong in ["|^~\\", "||~\\&", "|^~ &", "|a~\\&", ""] {
        check(&format!("{destination}hl7_delimiters = '{wrong}'"), "destination[1].hl7_delimiters", "five different");
    }
    let fhir = destination.replace("'mllp'", "'fhir'").replace("127.0.0.1:1", "http://127.0.0.1:1/fhir");
    check(&format!("{fhir}hl7_version = '2.5'"), "destination[1].hl7_version", "only HL7 v2");
}

#[test]
fn conversations_over_mllp_are_checked_closely() {
    let source = "[[source]]\nname='a'\nformat='hl7v2'\n";
    let destination = "[[destination]]\nname='d'\nrecipient=['Organization/x']\n";
    let mllp = "transport='mllp'\naddress='127.0.0.1:1'\n";
    for (text, key, part) in [
        (format!("{source}transport='http'\nsequence_numbers=true"), "source[1].sequence_numbers", "mllp"),
        (format!("{source}transport='mllp'\nsequence_numbers='yes'"), "source[1].sequence_numbers", "true or false"),
        (format!("{source}transport='mllp'\norder='sende'"), "source[1].order", "did you mean \"sender\""),
        (format!("{source}transport='mllp'\nconnections=0"), "source[1].connections", "from 1 on"),
        (format!("{source}transport='mllp'\napplication_ack='other'"), "source[1].application_ack", "port"),
        (format!("{source}transport='mllp'\napplication_ack='mllp://x.example:1'"), "source[1].application_ack", "TLS"),
        (
            format!("{source}transport='mllp'\napplication_ack_ca_file='x.pem'"),
            "source[1].application_ack_ca_file",
            "set application_ack",
        ),
        (format!("{destination}{mllp}acknowledgement='enhaced'"), "destination[1].acknowledgement", "enhanced"),
        (format!("{destination}{mllp}application_ack='never'"), "destination[1].application_ack", "enhanced"),
        (
            format!("{destination}transport='fhir'\naddress='http://localhost/x'\nacknowledgement='original'"),
            "destination[1].acknowledgement",
            "transport mllp",
        ),
        (format!("{destination}{mllp}key_file='Cargo.toml'"), "destination[1].key_file", "set cert_file"),
        (format!("{destination}{mllp}cert_file='none.pem'"), "destination[1].cert_file", "no file"),
        (
            format!("{destination}{mllp}cert_file='Cargo.toml'\nkey_file='Cargo.toml'"),
            "destination[1].cert_file",
            "in TLS only",
        ),
        (
            format!("{destination}{mllp}acknowledgement='enhanced'\napplication_ack_timeout='0s'"),
            "destination[1].application_ack_timeout",
            "over zero",
        ),
        ("[listen]\nconnections_per_peer = 0".to_owned(), "listen.connections_per_peer", "from 1 on"),
        ("[listen]\nkeepalive = 5".to_owned(), "listen.keepalive", "duration"),
    ] {
        check(&text, key, part);
    }
    let text = format!(
        "{source}transport='mllp'\napplication_ack='127.0.0.1:7'\norder='sender'\n{destination}{mllp}\
         acknowledgement='enhanced'\napplication_ack='error'\napplication_ack_timeout='5m'"
    );
    let config = parse(&text).unwrap();
    assert_eq!(config.sources[0].mllp.reply.as_ref().unwrap().address.port, 7);
    assert_eq!(config.sources[0].mllp.order, Order::Sender);
    assert_eq!(config.destinations[0].mllp.acknowledgement, Acknowledgement::Enhanced(Application::Error));
}

#[test]
fn what_the_texts_leave_open_has_our_answer_unless_the_file_says_otherwise() {
    let ours = Config::embedded().consent;
    assert_eq!((ours.purposes, ours.label_cover), (consent::Purposes::Every, consent::LabelCover::All));
    assert_eq!((ours.inheritance, ours.base_policy), (consent::Inheritance::Override, consent::BasePolicy::Guarded));
    let text = "[consent]\npurposes='any'\nlabel_cover='any'\ninheritance='narrow'\nbase_policy='literal'";
    let theirs = Config::parse(text, Path::new(".")).unwrap().consent;
    assert_eq!((theirs.purposes, theirs.label_cover), (consent::Purposes::Any, consent::LabelCover::Any));
    assert_eq!((theirs.inheritance, theirs.base_policy), (consent::Inheritance::Narrow, consent::BasePolicy::Literal));
    check("[consent]\ninheritance = 'narow'", "consent.inheritance", "narrow");
}

#[test]
fn own_sensitivity_rules_are_named_with_the_map_that_runs_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("own.csv"), "").unwrap();
    let text = "[consent]\nlabelling='map'\nsensitivity=['own.csv','PSY=own.csv']";
    let named = Config::parse(text, folder.path()).unwrap().consent.sensitivity;
    assert_eq!((named[0].label.as_deref(), named[1].label.as_deref()), (None, Some("PSY")));
    assert!(named.iter().all(|one| one.path == folder.path().join("own.csv")));
    check("[consent]\nlabelling='map'\nsensitivity='none.csv'", "consent.sensitivity", "relative");
    check("[consent]\nsensitivity='.'", "consent.sensitivity", "labelling");
}
