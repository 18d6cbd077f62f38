//! What holds for every consent, request and resource, whatever the site has set.

use std::sync::LazyLock;

use model::json::Json;
use proptest::prelude::*;

use crate::decide::{Decision, Prepared, decide};
use crate::facts::{Links, ResourceFacts};
use crate::filter::{Candidate, Context, Known, Released, release, release_all, release_known};
use crate::label::SensitivityMap;
use crate::policy::Policies;
use crate::request::{AccessRequest, Action, Purpose};
use crate::samples::{consent, decision, emergency, json, labelled, now, provision, request};
use crate::settings::{BasePolicy, BtgMode, ImplicitPolicy, Inheritance, LabelCover, Labelling, Purposes, Settings};

fn as_settings(settings: &Settings, consents: &[Json], request: &AccessRequest, resource: &Json) -> Decision {
    decide(&Policies::compile(consents, &[]), request, &ResourceFacts::from(resource), settings, now())
}

static MAP: LazyLock<SensitivityMap> = LazyLock::new(SensitivityMap::embedded);
const PURPOSES: [&str; 6] = ["TREAT", "ETREAT", "BTG", "HPAYMT", "HRESCH", "HMARKT"];
const LABELS: [&str; 8] = ["U", "N", "R", "V", "PSY", "HIV", "ETH", "OPIOIDUD"];

fn criterion() -> impl Strategy<Value = String> {
    let coded = |member: &'static str, system: &'static str, codes: &'static [&'static str]| {
        prop::collection::vec(prop::sample::select(codes), 1..3).prop_map(move |codes| {
            let list: Vec<String> = codes
                .iter()
                .map(|code| {
                    let system =
                        if system == "label" { if code.len() == 1 { "@conf" } else { "@act" } } else { system };
                    format!(r#"{{"system":"{system}","code":"{code}"}}"#)
                })
                .collect();
            format!(r#""{member}":[{}]"#, list.join(","))
        })
    };
    prop_oneof![
        coded("purpose", "@reason", &PURPOSES),
        coded("securityLabel", "label", &LABELS),
        coded("class", "@type", &["Condition", "Observation"]),
        prop::sample::select(&["access", "disclose"][..])
            .prop_map(|code| format!(r#""action":[{{"coding":[{{"system":"@consentaction","code":"{code}"}}]}}]"#)),
        prop::sample::select(&["Practitioner/a", "Organization/o", "Organization/z"][..]).prop_map(|who| format!(
            r#""actor":[{{"role":{{"coding":[{{"system":"@part","code":"IRCP"}}]}},"reference":{{"reference":"{who}"}}}}]"#
        )),
        prop::sample::select(&["2021", "2022"][..]).prop_map(|year| format!(r#""dataPeriod":{{"start":"{year}"}}"#)),
        prop::sample::select(&["1-1", "2-2"][..])
            .prop_map(|code| format!(r#""code":[{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}}]"#)),
    ]
}

fn criteria() -> impl Strategy<Value = String> {
    prop::collection::vec(criterion(), 0..4).prop_map(|mut list| {
        list.sort();
        list.dedup_by_key(|it| it.split(':').next().unwrap_or_default().to_owned());
        list.iter().map(|it| format!(",{it}")).collect()
    })
}

fn rule(kind: &'static [&'static str]) -> impl Strategy<Value = String> {
    let leaf = (prop::sample::select(kind), criteria())
        .prop_map(|(kind, criteria)| format!(r#"{{"type":"{kind}"{criteria}}}"#));
    leaf.prop_recursive(3, 8, 3, |inner| {
        (prop::sample::select(&["permit", "deny"][..]), criteria(), prop::collection::vec(inner, 1..3)).prop_map(
            |(kind, criteria, nested)| format!(r#"{{"type":"{kind}"{criteria},"provision":[{}]}}"#, nested.join(",")),
        )
    })
}

fn consents() -> impl Strategy<Value = Vec<Json>> {
    let base = prop::sample::select(&["", "OPTIN", "OPTOUT", "EMRGONLY"][..]);
    let one = (rule(&["permit", "deny"]), base).prop_map(|(rule, base)| match base {
        "" => provision(&rule),
        code => {
            consent(&format!(r#","policyRule":{{"coding":[{{"system":"@act","code":"{code}"}}]}},"provision":{rule}"#))
        }
    });
    prop::collection::vec(one, 0..4)
}

fn resources() -> impl Strategy<Value = Json> {
    (
        prop::collection::vec(prop::sample::select(&LABELS[..]), 0..3),
        prop::option::of(prop::sample::select(&["2020", "2022"][..])),
    )
        .prop_map(|(labels, year)| {
            let mut resource = labelled(&labels);
            if let (Some(year), Some(object)) = (year, resource.as_object_mut()) {
                object.insert("recordedDate", year);
            }
            resource
        })
}

fn requests() -> impl Strategy<Value = AccessRequest> {
    (prop::bool::ANY, prop::collection::vec(prop::sample::select(&PURPOSES[..]), 1..3), prop::bool::ANY).prop_map(
        |(btg, purposes, discloses)| {
            let mut asked = if btg { emergency() } else { request() };
            if !btg {
                asked.purposes = purposes.into_iter().map(Purpose::parse).collect();
                asked.action = if discloses { Action::Disclose } else { Action::Access };
            }
            asked
        },
    )
}

fn all_settings() -> impl Strategy<Value = Settings> {
    let implicit =
        prop::sample::select(&[ImplicitPolicy::Deny, ImplicitPolicy::PermitTreatment, ImplicitPolicy::PermitAll][..]);
    let btg = prop::sample::select(&[BtgMode::Override, BtgMode::ConsentOnly, BtgMode::Off][..]);
    let open = (
        prop::sample::select(&[Purposes::Every, Purposes::Any][..]),
        prop::sample::select(&[LabelCover::All, LabelCover::Any][..]),
        prop::sample::select(&[Inheritance::Override, Inheritance::Narrow][..]),
        prop::sample::select(&[BasePolicy::Guarded, BasePolicy::Literal][..]),
    );
    (implicit, btg, open).prop_map(|(implicit_policy, btg, (purposes, label_cover, inheritance, base_policy))| {
        Settings { implicit_policy, btg, purposes, label_cover, inheritance, base_policy, ..Settings::default() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn adding_a_deny_never_releases_more(
        consents in consents(), criteria in criteria(), request in requests(), resource in resources(), settings in all_settings()
    ) {
        let before = as_settings(&settings, &consents, &request, &resource).is_permit();
        let mut more = consents;
        more.push(provision(&format!(r#"{{"type":"deny"{criteria}}}"#)));
        let after = as_settings(&settings, &more, &request, &resource).is_permit();
        prop_assert!(before || !after);
    }

    #[test]
    fn adding_a_consent_that_is_not_understood_never_releases_more(
        consents in consents(), request in requests(), resource in resources(), settings in all_settings()
    ) {
        let before = as_settings(&settings, &consents, &request, &resource).is_permit();
        let mut more = consents;
        more.push(provision(r#"{"type":"allow"}"#));
        let after = as_settings(&settings, &more, &request, &resource);
        prop_assert!(before || !after.is_permit());
        prop_assert!(!after.is_permit() || after.btg, "only break-glass gets past a consent that is not understood");
    }

    #[test]
    fn adding_a_purpose_never_releases_more(
        consents in consents(), request in requests(), purpose in prop::sample::select(&PURPOSES[..]),
        resource in resources(), settings in all_settings()
    ) {
        // With the other setting a purpose more is meant to open more.
        let settings = Settings { purposes: Purposes::Every, ..settings };
        let before = as_settings(&settings, &consents, &request, &resource).is_permit();
        let mut more = request;
        more.purposes.push(Purpose::parse(purpose));
        let after = as_settings(&settings, &consents, &more, &resource).is_permit();
        prop_assert!(before || !after);
    }

    #[test]
    fn narrowing_a_permit_never_releases_more(
        consents in consents(), narrower in criteria(), request in requests(), resource in resources(), settings in all_settings()
    ) {
        let with = |rule: &str| {
            let mut all = consents.clone();
            all.push(provision(rule));
            as_settings(&settings, &all, &request, &resource).is_permit()
        };
        let wide = with(r#"{"type":"permit"}"#);
        let narrow = with(&format!(r#"{{"type":"permit"{narrower}}}"#));
        prop_assert!(wide || !narrow);
    }

    #[test]
    fn order_of_consents_does_not_matter(
        consents in consents(), request in requests(), resource in resources(), settings in all_settings()
    ) {
        let forward = as_settings(&settings, &consents, &request, &resource);
        let mut reversed = consents;
        reversed.reverse();
        let backward = as_settings(&settings, &reversed, &request, &resource);
        prop_assert_eq!(forward.is_permit(), backward.is_permit());
        prop_assert_eq!(forward.btg, backward.btg);
    }

    #[test]
    fn what_is_known_of_a_resource_decides_as_the_resource_does(
        consents in consents(), request in requests(), resource in resources(), settings in all_settings(),
        labelling in prop::sample::select(&[Labelling::Complete, Labelling::Map, Labelling::Unavailable][..]),
        with_map in prop::bool::ANY, looked_up in prop::bool::ANY, referred in prop::bool::ANY
    ) {
        let settings = Settings { labelling, ..settings };
        let map = with_map.then_some(&*MAP);
        let policies = Policies::compile(&consents, &[]);
        let own = ResourceFacts::from(&resource);
        let document = json(&format!(
            r#"{{"resourceType":"List","id":"l","entry":[{{"item":{{"reference":"{}"}}}}]}}"#, own.reference()
        ));
        let links = Links::of(referred.then_some(&document));
        let links = looked_up.then_some(&links);
        let context = Context { policies: &policies, request: &request, settings: &settings, now: now(), links, map };
        let known = Known::of(&resource, &settings, map);
        prop_assert_eq!(context.decide_known(&known), context.decide(&context.facts(&resource)));
        match (release_known(&context, &known), release(&context, resource, None)) {
            (Ok(Some(whole)), Ok(content)) => {
                prop_assert!(!content.get().redacted);
                prop_assert_eq!(&whole.get().decision, &content.get().decision);
            }
            (Err(own), Err(other)) => prop_assert_eq!(own, other),
            (own, other) => prop_assert!(false, "{:?} is not {:?}", own, other),
        }
    }

    #[test]
    fn any_json_is_decided_without_a_panic(text in r#"[\[\]{}":,a-z0-9]{0,40}"#, request in requests()) {
        if let Ok(json) = model::json::parse(text.as_bytes(), &model::json::Limits::default()) {
            decision(std::slice::from_ref(&json), &request, &json);
        }
    }

    #[test]
    fn our_answer_to_an_open_point_never_releases_more_than_the_other(
        consents in consents(), request in requests(), resource in resources(), settings in all_settings()
    ) {
        let with = |settings: &Settings| as_settings(settings, &consents, &request, &resource).is_permit();
        let theirs = with(&settings);
        let ours = with(&Settings { label_cover: LabelCover::All, ..settings.clone() });
        prop_assert!(theirs || !ours);
        let ours = with(&Settings { base_policy: BasePolicy::Guarded, ..settings.clone() });
        prop_assert!(theirs || !ours);
        // Here ours is the wider: the examples of IHE PCF cannot be read otherwise.
        let ours = with(&Settings { inheritance: Inheritance::Narrow, ..settings.clone() });
        prop_assert!(theirs || !ours);
    }
}

/// A document: its Composition, and entries with labels, one with an element that has labels of its own.
fn documents() -> impl Strategy<Value = Vec<Json>> {
    let labels = || prop::collection::vec(prop::sample::select(&LABELS[..]), 0..3);
    (labels(), labels(), prop::sample::select(&LABELS[..])).prop_map(|(first, second, inline)| {
        let system = if inline.len() == 1 { "@conf" } else { "@act" };
        let composition = json(
            r#"{"resourceType":"Composition","id":"doc","text":{"div":"all of it"},"subject":{"reference":"Patient/p"},
            "section":[{"title":"one","text":{"div":"one"},"entry":[{"reference":"Condition/one","display":"first"}]},
            {"title":"two","text":{"div":"two"},"entry":[{"reference":"Condition/two"},{"reference":"Condition/three"}]}]}"#,
        );
        let entry = |id: &str, labels: &[&str]| {
            let mut entry = labelled(labels);
            if let Some(object) = entry.as_object_mut() {
                object.insert("id", id);
                object.insert("text", json(r#"{"div":"told"}"#));
            }
            entry
        };
        let noted = json(&format!(
            r#"{{"resourceType":"Condition","id":"three","subject":{{"reference":"Patient/p"}},"text":{{"div":"told"}},
            "note":[{{"text":"plain"}},{{"extension":[{{"url":"{}","valueCoding":{{"system":"{system}","code":"{inline}"}}}}],
            "text":"labelled"}}],"evidence":[{{"detail":[{{"reference":"Condition/one","display":"first"}}]}}]}}"#,
            crate::label::INLINE_LABEL
        ));
        vec![composition, entry("one", &first), entry("two", &second), noted]
    })
}

fn filtered(settings: &Settings, consents: &[Json], request: &AccessRequest, resources: &[Json]) -> Released {
    let policies = Policies::compile(consents, &[]);
    let context = Context { policies: &policies, request, settings, now: now(), links: None, map: None };
    release_all(
        &context,
        resources.iter().map(|json| Candidate { json: json.clone(), text: None, selected_by: vec![], follows: None }),
    )
}

/// Whether everything in `part` is in `whole`, in the same order; labels apart, of which a redaction adds one.
fn within(part: &Json, whole: &Json) -> bool {
    match (part, whole) {
        (Json::Object(part), Json::Object(whole)) => {
            part.iter().all(|(name, value)| name == "meta" || whole.get(name).is_some_and(|other| within(value, other)))
        }
        (Json::Array(part), Json::Array(whole)) => {
            let mut rest = whole.iter();
            part.iter().all(|item| rest.any(|other| within(item, other)))
        }
        (part, whole) => part == whole,
    }
}

/// Nothing is released after that was not released before: no resource, no element, no text.
fn released_no_more(before: &Released, after: &Released) -> bool {
    after.permitted.get().iter().all(|content| {
        let earlier = before.permitted.get().iter().find(|it| it.reference == content.reference);
        earlier.is_some_and(|earlier| within(&content.json, &earlier.json))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_a_document_a_deny_or_an_unread_consent_more_never_releases_more(
        consents in consents(), criteria in criteria(), request in requests(), document in documents(), settings in all_settings()
    ) {
        let before = filtered(&settings, &consents, &request, &document);
        for rule in [format!(r#"{{"type":"deny"{criteria}}}"#), r#"{"type":"allow"}"#.to_owned()] {
            let mut more = consents.clone();
            more.push(provision(&rule));
            prop_assert!(released_no_more(&before, &filtered(&settings, &more, &request, &document)));
        }
    }

    #[test]
    fn of_a_document_a_purpose_more_never_releases_more(
        consents in consents(), request in requests(), purpose in prop::sample::select(&PURPOSES[..]),
        document in documents(), settings in all_settings()
    ) {
        let settings = Settings { purposes: Purposes::Every, ..settings };
        let before = filtered(&settings, &consents, &request, &document);
        let mut more = request;
        more.purposes.push(Purpose::parse(purpose));
        prop_assert!(released_no_more(&before, &filtered(&settings, &consents, &more, &document)));
    }

    #[test]
    fn of_a_document_a_narrower_permit_never_releases_more(
        consents in consents(), narrower in criteria(), request in requests(), document in documents(), settings in all_settings()
    ) {
        let with = |rule: &str| {
            let mut all = consents.clone();
            all.push(provision(rule));
            filtered(&settings, &all, &request, &document)
        };
        let wide = with(r#"{"type":"permit"}"#);
        let narrow = with(&format!(r#"{{"type":"permit"{narrower}}}"#));
        prop_assert!(released_no_more(&wide, &narrow));
    }

    #[test]
    fn many_decided_together_are_decided_as_each_alone(
        consents in consents(), request in requests(), first in resources(), second in resources(), settings in all_settings()
    ) {
        let policies = Policies::compile(&consents, &[]);
        let prepared = Prepared::new(&policies, &request, &settings, now());
        for resource in [first, second] {
            let alone = as_settings(&settings, &consents, &request, &resource);
            prop_assert_eq!(prepared.decide(&ResourceFacts::from(&resource)), alone);
        }
    }

    #[test]
    fn the_same_question_has_the_same_answer_and_the_same_trace(
        consents in consents(), request in requests(), document in documents(), settings in all_settings()
    ) {
        let (one, other) =
            (filtered(&settings, &consents, &request, &document), filtered(&settings, &consents, &request, &document));
        prop_assert_eq!(one.permitted, other.permitted);
        prop_assert_eq!(one.withheld, other.withheld);
    }
}
