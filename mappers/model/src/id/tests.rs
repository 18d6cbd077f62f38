use super::*;

#[test]
fn knows_the_types_of_r4() {
    assert_eq!(ResourceType::all().count(), 146);
    for name in ["Patient", "Bundle", "AuditEvent", "MedicinalProduct", "VisionPrescription", "Account"] {
        assert_eq!(ResourceType::parse(name).map(ResourceType::as_str), Ok(name));
    }
    for name in ["Resource", "DomainResource", "patient", "SubscriptionTopic", "", "Patient "] {
        assert_eq!(ResourceType::parse(name), Err(IdError::ResourceType));
    }
}

#[test]
fn ids_have_64_characters_at_most() {
    assert!(ResourceId::parse(&"a".repeat(64)).is_ok());
    for text in ["", "a_b", "a/b", "ä", &"a".repeat(65)] {
        assert_eq!(ResourceId::parse(text), Err(IdError::Id));
    }
}

#[test]
fn references_are_relative() {
    let reference = Reference::parse("Patient/p-1.2").expect("reference");
    assert_eq!(reference.to_string(), "Patient/p-1.2");
    assert_eq!(Reference::parse("Patient/p-1.2/_history/3"), Ok(reference));
    for text in [
        "Patient",
        "Patient/",
        "patient/1",
        "/Patient/1",
        "Patient/1/",
        "Patient/1/x",
        "#p",
        "urn:uuid:1",
        "http://example.org/Patient/1",
        "Patient/1/_history/",
        "Patient/1/_history/2/3",
    ] {
        assert_eq!(Reference::parse(text), Err(IdError::Reference), "{text}");
    }
}

#[test]
fn derived_ids_depend_on_where_parts_end() {
    let namespace = Uuid::NAMESPACE_URL;
    let one = uuid_v5(&namespace, &["ab", "c"]);
    assert_eq!(one, uuid_v5(&namespace, &["ab", "c"]));
    assert_ne!(one, uuid_v5(&namespace, &["a", "bc"]));
    assert_ne!(one, uuid_v5(&Uuid::NAMESPACE_DNS, &["ab", "c"]));
    assert_eq!(one.get_version_num(), 5);
    assert_eq!(ResourceId::from(one).as_str(), one.to_string());
}
