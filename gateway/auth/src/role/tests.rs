use super::*;

#[track_caller]
fn check(role: Role, action: Action<'_>, access: Access) {
    assert_eq!(may(role, action), access, "{role} {action:?}");
}

#[test]
fn names_are_read_back() {
    for role in Role::ALL {
        assert_eq!(Role::parse(role.as_str()), Ok(role));
    }
    assert_eq!(Role::parse("Administrator"), Err(UnknownRole));
}

#[test]
fn a_set_holds_what_was_put_in() {
    let roles: Roles = [Role::Clinician, Role::Emergency].into_iter().collect();
    assert!(roles.has(Role::Clinician) && !roles.has(Role::Administrator) && !roles.is_empty());
    assert_eq!(roles.iter().collect::<Vec<_>>(), [Role::Clinician, Role::Emergency]);
}

#[test]
fn an_administrator_reads_the_administrative_types_and_is_decided_for_clinical_ones() {
    for resource_type in ["AuditEvent", "Communication", "Consent", "Task"] {
        check(Role::Administrator, Action::Read(resource_type), Access::Direct);
    }
    check(Role::Administrator, Action::Read("Observation"), Access::Decided);
    check(Role::Administrator, Action::Write("Observation"), Access::Direct);
    check(Role::Administrator, Action::WriteAdminPolicy, Access::Direct);
    check(Role::Administrator, Action::Emergency, Access::Refused);
    check(Role::Administrator, Action::Opening, Access::Refused);
}

#[test]
fn only_an_administrator_writes_policies_replays_and_reads_metrics() {
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Administrator) {
        check(role, Action::WriteAdminPolicy, Access::Refused);
        check(role, Action::Replay, Access::Refused);
        check(role, Action::Metrics, Access::Refused);
        check(role, Action::ReloadMappings, Access::Refused);
        let may = role == Role::Auditor;
        check(role, Action::Mappings, if may { Access::Direct } else { Access::Refused });
    }
}

#[test]
fn only_those_who_may_choose_ids_do() {
    for role in Role::ALL {
        let may = matches!(role, Role::Source | Role::Administrator);
        check(role, Action::ChooseId, if may { Access::Direct } else { Access::Refused });
    }
}

#[test]
fn a_source_sees_its_own_exchanges_and_no_record() {
    check(Role::Source, Action::Exchanges, Access::Own);
    check(Role::Source, Action::Read("Patient"), Access::Refused);
    check(Role::Source, Action::Opening, Access::Refused);
}

#[test]
fn an_auditor_sees_exchanges_openings_and_the_audit_log_and_no_record() {
    check(Role::Auditor, Action::Exchanges, Access::Direct);
    check(Role::Auditor, Action::Opening, Access::Direct);
    check(Role::Auditor, Action::Read("AuditEvent"), Access::Direct);
    check(Role::Auditor, Action::Read("Patient"), Access::Refused);
    check(Role::Auditor, Action::Write("AuditEvent"), Access::Refused);
}

#[test]
fn a_patient_reads_their_own_and_writes_their_consents() {
    check(Role::Patient, Action::Read("Observation"), Access::Own);
    check(Role::Patient, Action::Write("Consent"), Access::Own);
    check(Role::Patient, Action::Write("Observation"), Access::Refused);
    check(Role::Patient, Action::Emergency, Access::Refused);
}

#[test]
fn of_several_roles_the_one_that_reaches_farthest_counts() {
    let roles: Roles = [Role::Clinician, Role::Auditor].into_iter().collect();
    assert_eq!(roles.may(Action::Read("AuditEvent")), Access::Direct);
    assert_eq!(roles.may(Action::Read("Observation")), Access::Decided);
    assert_eq!(Roles::default().may(Action::Read("Observation")), Access::Refused);
}
