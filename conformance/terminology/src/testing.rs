//! What the unit tests share: a source over a few resources.

use std::collections::HashMap;
use std::sync::Arc;

use model::json::{Json, Limits, parse};

use crate::{Options, Source, Terminology};

pub(crate) struct Resources {
    by_canonical: HashMap<(String, String), Arc<Json>>,
    supplements: Vec<Arc<Json>>,
    maps: Vec<Arc<Json>>,
}

impl Source for Resources {
    fn find(&self, kind: &str, canonical: &str) -> Option<Arc<Json>> {
        self.by_canonical.get(&(kind.to_owned(), canonical.to_owned())).cloned()
    }

    fn supplements(&self, system: &str) -> Vec<Arc<Json>> {
        let of = |one: &&Arc<Json>| one.text_at(&["supplements"]) == Some(system);
        self.supplements.iter().filter(of).cloned().collect()
    }

    fn concept_maps(&self) -> Vec<Arc<Json>> {
        self.maps.clone()
    }
}

pub(crate) fn json(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

pub(crate) fn resources(all: impl IntoIterator<Item = Json>) -> Resources {
    let mut resources = Resources { by_canonical: HashMap::new(), supplements: Vec::new(), maps: Vec::new() };
    for resource in all {
        let resource = Arc::new(resource);
        let kind = resource.text_at(&["resourceType"]).unwrap().to_owned();
        let Some(url) = resource.text_at(&["url"]).map(str::to_owned) else { continue };
        if resource.text_at(&["content"]) == Some("supplement") {
            resources.supplements.push(resource.clone());
            continue;
        }
        if let Some(version) = resource.text_at(&["version"]) {
            resources.by_canonical.insert((kind.clone(), format!("{url}|{version}")), resource.clone());
        }
        if kind == "ConceptMap" {
            resources.maps.push(resource.clone());
        }
        resources.by_canonical.insert((kind, url), resource);
    }
    resources
}

pub(crate) fn terminology(all: &[&str]) -> Terminology {
    Terminology::new(Arc::new(resources(all.iter().map(|text| json(text)))), Options::default())
}
