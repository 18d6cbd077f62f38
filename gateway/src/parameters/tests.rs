use super::*;

fn resource(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

const NICKNAME: &str = r#"{"resourceType":"SearchParameter","id":"nick","url":"http://example.org/sp/nick","status":"active","code":"nick",
    "type":"string","base":["Person"],"expression":"Person.name.where(use='nickname').given"}"#;

#[test]
fn a_broken_definition_is_refused_with_every_problem() {
    let parameters = Parameters::default();
    assert!(parameters.check(&resource(NICKNAME)).is_empty());
    let broken = NICKNAME.replace("given\"", "given.(\"").replace("\"nick\",\n", "\"a b\",\n");
    let issues = parameters.check(&resource(&broken));
    let places: Vec<_> = issues.iter().filter_map(|issue| issue.at.clone()).collect();
    assert_eq!(places, ["SearchParameter.code", "SearchParameter.expression"]);
    let draft = broken.replace("active", "draft");
    assert!(parameters.check(&resource(&draft)).is_empty(), "what is not in force may be unfinished");
    let taken = NICKNAME.replace("\"code\":\"nick\"", "\"code\":\"name\"");
    assert_eq!(parameters.check(&resource(&taken)).len(), 1);
}

#[test]
fn reads_files_folders_and_packages() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("nick.json"), NICKNAME).unwrap();
    let broken = NICKNAME.replace("Person.name", "Person.(");
    std::fs::write(folder.path().join("broken.json"), broken.replace("sp/nick", "sp/broken")).unwrap();
    let (found, problems) = load(&[folder.path().to_owned()]).unwrap();
    assert_eq!((found.len(), problems.len()), (1, 1));
    assert!(load(&[folder.path().join("none.tgz")]).is_err());
}
