use super::*;

#[test]
fn reads_the_embedded_tables() {
    let table = r4();
    assert!(table.largest_shape() <= 128, "the structural walk keeps 128 bits");
    for name in crate::id::ResourceType::all() {
        let shape = table.resource(name.as_str()).expect("a shape");
        assert!(shape.find("id").is_some() && shape.find("meta").is_some(), "{name}");
    }
    let patient = table.resource("Patient").expect("a resource");
    assert_eq!(patient.base.map(|id| table.shape(id).path.as_str()), Some("DomainResource"));
    let (_, contact) = table.find("Patient.contact").expect("a backbone element");
    assert_eq!(contact.base.map(|id| table.shape(id).path.as_str()), Some("BackboneElement"));
    assert!(table.find("HumanName").is_some_and(|(_, shape)| !shape.is_resource));
    assert!(table.resource("DomainResource").is_none(), "abstract");
}

#[test]
fn refuses_a_table_that_is_not_well_formed() {
    assert!(Table::read("r4.tables 1\nC\tElement\t-\ta\n.id\t?\tnosuchtype").is_err());
}
