use super::*;
use crate::request::Purpose;
use crate::samples::{admin, consent, decision, json, now, provision, request};
use crate::samples::{condition, labelled};

fn permit(members: &str) -> Json {
    consent(&format!(r#","provision":{{"type":"permit"}}{members}"#))
}

fn deny(members: &str) -> Json {
    consent(&format!(r#","provision":{{"type":"deny"}}{members}"#))
}

#[track_caller]
fn check(consents: &[Json], permitted: bool) {
    let found = decision(consents, &request(), &condition(""));
    assert_eq!(found.is_permit(), permitted, "{found:?}");
}

const SAME: &str = r#","identifier":[{"system":"urn:i","value":"1"}]"#;

#[test]
fn the_latest_of_one_instrument_counts() {
    let (old, new) = (format!(r#"{SAME},"dateTime":"2025-01-01""#), format!(r#"{SAME},"dateTime":"2026-02-01""#));
    check(&[permit(&old), deny(&new)], false);
    check(&[deny(&old), permit(&new)], true);
    check(&[permit(&new), deny(&old)], true);
}

#[test]
fn versions_that_cannot_be_put_in_order_both_count() {
    let year = format!(r#"{SAME},"dateTime":"2026""#);
    let day = format!(r#"{SAME},"dateTime":"2026-02-01""#);
    check(&[deny(&year), permit(&day)], false);
    check(&[deny(SAME), permit(&day)], false);
    check(&[deny(&day), permit(&day)], false);
}

#[test]
fn a_version_that_is_not_yet_issued_supersedes_nothing() {
    let (old, future) = (format!(r#"{SAME},"dateTime":"2025-01-01""#), format!(r#"{SAME},"dateTime":"2027-01-01""#));
    check(&[permit(&old), deny(&future)], true);
    check(&[deny(&old), permit(&future)], false);
}

#[test]
fn a_version_of_another_patient_or_without_a_system_supersedes_nothing() {
    let old = deny(&format!(r#"{SAME},"dateTime":"2025-01-01""#));
    let newer = permit(&format!(r#"{SAME},"dateTime":"2026-01-01""#)).to_text();
    check(&[old, json(&newer.replace("Patient/p", "Patient/q"))], false);
    let bare = r#","identifier":[{"value":"1"}]"#;
    check(&[deny(&format!(r#"{bare},"dateTime":"2025""#)), permit(&format!(r#"{bare},"dateTime":"2026""#))], false);
}

#[test]
fn a_consent_counts_only_while_it_is_in_force() {
    check(&[permit("")], true);
    check(&[permit(r#","dateTime":"2026-07-01""#)], false);
    check(&[permit(r#","dateTime":"2026-06""#)], true);
    check(&[provision(r#"{"type":"permit","period":{"end":"2026-06-14"}}"#)], false);
    check(&[provision(r#"{"type":"permit","period":{"start":"2026-06-15","end":"2026-06-15"}}"#)], true);
    let other_scope = permit("").to_text().replace("patient-privacy", "treatment");
    check(&[json(&other_scope)], false);
}

#[test]
fn a_research_consent_counts_for_research_only() {
    let research = json(&permit("").to_text().replace("patient-privacy", "research"));
    check(std::slice::from_ref(&research), false);
    let mut asked = request();
    asked.purposes = vec![Purpose::parse("CLINTRCH")];
    assert!(decision(&[research], &asked, &condition("")).is_permit());
}

#[test]
fn an_unverified_consent_permits_nothing_and_still_denies() {
    let unverified = r#","verification":[{"verified":false}]"#;
    check(&[permit(unverified)], false);
    check(&[permit(r#","verification":[{"verified":false},{"verified":true}]"#)], true);
    check(&[permit(""), deny(unverified)], false);
    let opt_in = r#","policyRule":{"coding":[{"system":"@act","code":"OPTIN"}]}"#;
    check(&[consent(opt_in)], true);
    check(&[consent(&format!("{opt_in}{unverified}"))], false);
    // The root deny holds where the permit below it is void.
    let excepted = r#","provision":{"type":"deny","provision":[{"type":"permit"}]}"#;
    check(&[permit(""), consent(excepted)], true);
    check(&[permit(""), consent(&format!("{excepted}{unverified}"))], false);
}

#[test]
fn the_policy_rule_holds_where_no_provision_decides() {
    let rule = |code: &str, provision: &str| {
        consent(&format!(r#","policyRule":{{"coding":[{{"system":"@act","code":"{code}"}}]}}{provision}"#))
    };
    let elsewhere = r#","provision":{"type":"deny","purpose":[{"system":"@reason","code":"HMARKT"}]}"#;
    check(&[rule("OPTIN", elsewhere)], true);
    check(&[rule("OPTOUT", elsewhere)], false);
    check(&[rule("EMRGONLY", "")], false);
    // OPTIN is no base where the root permits: the root would then be of no use.
    check(
        &[rule("OPTIN", r#","provision":{"type":"permit","purpose":[{"system":"@reason","code":"HMARKT"}]}"#)],
        false,
    );
    check(&[rule("OPTOUT", r#","provision":{"type":"permit"}"#)], true);
    // A root without a type sets criteria and decides nothing.
    check(&[rule("OPTIN", r#","provision":{"provision":[{"type":"deny"}]}"#)], false);
    check(&[rule("OPTIN", r#","provision":{}"#)], true);
    check(&[consent(r#","provision":{}"#)], false);
    check(&[consent(r#","policyRule":{"coding":[{"code":"OPTIN"}]}"#)], false);
    check(&[permit(""), consent(r#","policyRule":{"coding":[{"code":"OPTOUT"}]}"#)], false);
}

#[test]
fn a_nested_provision_replaces_the_criteria_it_gives_and_inherits_the_others() {
    let nested = provision(
        r#"{"type":"permit","securityLabel":[{"system":"@conf","code":"N"}],"purpose":[{"system":"@reason","code":"TREAT"}],
        "provision":[{"type":"permit","securityLabel":[{"system":"@conf","code":"R"}]}]}"#,
    );
    assert!(decision(std::slice::from_ref(&nested), &request(), &labelled(&["R"])).is_permit());
    let mut asked = request();
    asked.purposes = vec![Purpose::parse("HMARKT")];
    assert!(!decision(&[nested], &asked, &labelled(&["R"])).is_permit());
}

#[test]
fn a_period_is_not_inherited_and_that_of_the_parent_must_hold() {
    check(&[provision(r#"{"type":"permit","provision":[{"type":"deny","period":{"end":"2026-01-01"}}]}"#)], true);
    let over = r#"{"type":"permit","provision":[{"type":"permit","period":{"end":"2026-01-01"},"provision":[{"type":"deny"}]}]}"#;
    check(&[provision(over)], true);
}

#[test]
fn siblings_that_disagree_deny() {
    check(&[provision(r#"{"type":"permit","provision":[{"type":"permit"},{"type":"deny"}]}"#)], false);
    check(&[provision(r#"{"type":"deny","provision":[{"type":"permit"},{"type":"permit"}]}"#)], true);
    let cousins = r#"{"type":"permit","provision":[{"type":"deny","provision":[{"type":"permit"}]},{"type":"deny"}]}"#;
    check(&[provision(cousins)], false);
}

#[test]
fn consents_whose_patient_cannot_be_read_count_for_everybody() {
    let nobody = json(&permit("").to_text().replace("Patient/p", "urn:uuid:1"));
    let policies = Policies::compile(&[permit(""), nobody], &[]);
    assert_eq!(policies.misunderstood().count(), 1);
    assert_eq!(policies.of_patient("Patient/anybody").count(), 1);
}

#[test]
fn a_consent_in_the_form_of_r5_denies_its_patient_only() {
    let r5 = json(
        r#"{"resourceType":"Consent","id":"r5","status":"active","subject":{"reference":"Patient/q"},"decision":"permit"}"#,
    );
    let policies = Policies::compile(&[r5], &[]);
    assert_eq!(policies.of_patient("Patient/q").count(), 1);
    assert_eq!(policies.of_patient("Patient/p").count(), 0);
}

#[test]
fn a_marked_consent_without_patient_is_a_policy_of_the_site() {
    let policy = admin(r#"{"type":"permit"}"#);
    assert!(is_admin_policy(&policy));
    assert!(!is_admin_policy(&permit("")));
    check(&[policy], true);
}

#[test]
fn consents_that_are_not_active_are_left_out_unread() {
    let malformed = json(&provision(r#"{"type":"allow"}"#).to_text().replace("active", "inactive"));
    let policies = Policies::compile(&[malformed], &[]);
    assert!(policies.is_empty());
}

#[test]
fn tells_when_something_changes_with_time() {
    let policies = Policies::compile(&[provision(r#"{"type":"permit","period":{"end":"2026-06-20"}}"#)], &[]);
    assert_eq!(policies.next_change(now()), Some(Instant::parse("2026-06-21T00:00:00Z").unwrap()));
    assert_eq!(Policies::default().next_change(now()), None);
}

#[test]
fn tells_which_instances_have_to_be_looked_at() {
    let policies = Policies::compile(
        &[provision(
            r#"{"type":"permit","provision":[{"type":"deny","data":[{"meaning":"related","reference":{"reference":"Encounter/e"}}]}]}"#,
        )],
        &[],
    );
    assert!(policies.asks_for_links() && !policies.asks_for_authors());
    assert_eq!(policies.related_instances().collect::<Vec<_>>(), ["Encounter/e"]);
}
