use crate::Version;
use crate::rows::Map;

#[test]
fn every_row_can_be_used() {
    let faults: Vec<String> = Map::faults().iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn tables_of_all_versions_can_be_read() {
    for version in Version::ALL {
        assert!(version.table().resource("Patient").is_some(), "{version}");
    }
}
