use std::collections::{BTreeMap, BTreeSet};

use crate::Definitions;
use crate::profile::{Element, Profile, compile};
use crate::set::tests::corpus;

/// The differences between two profiles: kind of difference, place.
fn differences(published: &Profile, made: &Profile) -> Vec<(&'static str, String)> {
    fn by_id(profile: &Profile) -> BTreeMap<&str, &Element> {
        profile.elements.iter().map(|element| (element.id.as_str(), element)).collect()
    }
    let (left, right) = (by_id(published), by_id(made));
    let mut found = Vec::new();
    let mut note = |kind, at: &str| found.push((kind, format!("{}: {at}", published.url)));
    for id in left.keys().filter(|id| !right.contains_key(*id)) {
        note("element missing", id);
    }
    for (id, b) in &right {
        let Some(a) = left.get(id) else {
            note("element too many", id);
            continue;
        };
        let keys = |element: &Element| element.constraints.iter().map(|each| each.key.clone()).collect::<BTreeSet<_>>();
        let mut types = (a.types.clone(), b.types.clone());
        types.0.sort_by(|left, right| left.code.cmp(&right.code));
        types.1.sort_by(|left, right| left.code.cmp(&right.code));
        let checks = [
            ("path", a.path == b.path),
            ("min", a.min == b.min),
            ("max", a.max == b.max),
            ("base max", a.base_max == b.base_max),
            ("slice name", a.slice_name == b.slice_name),
            ("types", types.0 == types.1),
            ("fixed", a.fixed == b.fixed),
            ("pattern", a.pattern == b.pattern),
            ("limits", (&a.min_value, &a.max_value, a.max_length) == (&b.min_value, &b.max_value, b.max_length)),
            ("binding", a.binding == b.binding),
            ("slicing", a.slicing == b.slicing),
            ("constraints missing", keys(a).is_subset(&keys(b))),
            ("constraints too many", keys(b).is_subset(&keys(a))),
            ("condition", a.condition.iter().collect::<BTreeSet<_>>() == b.condition.iter().collect()),
            ("modifier", a.is_modifier == b.is_modifier),
            ("must support", a.must_support == b.must_support),
            ("summary", a.is_summary == b.is_summary),
            ("content reference", a.content_reference.is_some() == b.content_reference.is_some()),
            ("children", a.children.len() == b.children.len()),
            ("slices", a.slices.len() == b.slices.len()),
        ];
        for (kind, _) in checks.into_iter().filter(|(_, same)| !same) {
            note(kind, id);
        }
    }
    found
}

/// Every definition that is published with differential and snapshot, made anew from its differential.
#[test]
fn snapshots_are_as_published() {
    let mut table: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for (name, least) in [("hl7.fhir.r4.core-4.0.1.tgz", 0.0), ("hl7.fhir.us.core-6.1.0-definitions.tgz", 0.0)] {
        let Some(package) = corpus(name) else { return };
        let set = Definitions::r4().with(vec![package]);
        let (mut elements, mut whole, mut all, mut same) = (0, 0, 0, 0);
        let mut urls: Vec<_> = set.iter("StructureDefinition").map(|(url, _)| url.to_owned()).collect();
        urls.retain(|url| name.contains("r4.core") || url.contains("/us/core/"));
        for url in urls {
            let definition = set.find(Some("StructureDefinition"), &url).unwrap();
            if definition.get("snapshot").is_none() || definition.get("differential").is_none() {
                continue;
            }
            let published = compile(&definition).unwrap();
            all += 1;
            elements += published.elements.len();
            match set.generated(&definition) {
                Err(error) => table.entry((name, "failed")).or_default().push(format!("{url}: {error}")),
                Ok(made) => {
                    let found = differences(&published, &made);
                    let places: BTreeSet<&String> = found.iter().map(|(_, place)| place).collect();
                    same += published.elements.len().saturating_sub(places.len());
                    whole += usize::from(found.is_empty());
                    for (kind, place) in found {
                        table.entry((name, kind)).or_default().push(place);
                    }
                    for issue in made.issues {
                        table.entry((name, "issue")).or_default().push(format!("{url}: {issue}"));
                    }
                }
            }
        }
        let share = 100.0 * f64::from(u32::try_from(same).unwrap()) / f64::from(u32::try_from(elements).unwrap());
        eprintln!("{name}: {whole} of {all} the same, {same} of {elements} elements ({share:.2} %)");
        assert!(share >= least);
    }
    for ((name, kind), places) in &table {
        eprintln!("{:5} {kind} [{name}]", places.len());
        for place in places.iter().take(if std::env::var_os("SHOW").is_some() { 400 } else { 4 }) {
            eprintln!("        {place}");
        }
    }
}
