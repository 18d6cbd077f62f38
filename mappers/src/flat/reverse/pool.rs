//! Where the resources are that are written as rows.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::json::Json;

use crate::function::unescaped;

use super::super::eval::KEPT;

/// Resources by their numbers, in the order they came in.
pub trait Pool {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them.
    fn resource(&self, number: usize) -> Option<Arc<Json>>;

    /// The first of a type that has this number or a higher one.
    fn next(&self, kind: &str, from: usize) -> Option<usize>;

    /// The one that a reference means: `Type/id`, or the `fullUrl` of its entry.
    fn named(&self, reference: &str) -> Option<usize>;

    /// Hands on those of a type that refer to one, in order, until `take` is false.
    fn referring(&self, number: usize, kind: &str, take: &mut dyn FnMut(usize) -> bool);

    /// Names of columns of a table whose cells are kept in extensions of resources.
    fn columns(&self, table: &str) -> BTreeSet<String>;
}

/// Resources in memory.
#[derive(Debug, Default)]
pub struct Held {
    all: Vec<Arc<Json>>,
    names: HashMap<String, usize>,
    /// Numbers by type.
    kinds: HashMap<String, Vec<usize>>,
    /// What each is called.
    own: Vec<Vec<String>>,
    /// By what is referred to and the type of what refers.
    referring: HashMap<(String, String), Vec<usize>>,
    columns: HashMap<String, BTreeSet<String>>,
}

impl Held {
    /// Holds resources, or those of Bundles.
    pub fn new(resources: &[Json]) -> Self {
        let mut out = Self::default();
        for resource in resources {
            if resource.text_at(&["resourceType"]) == Some("Bundle") {
                for entry in model::bundle::entries(resource) {
                    if let Some(resource) = entry.resource() {
                        out.add(entry.full_url(), resource.clone());
                    }
                }
            } else {
                out.add(None, resource.clone());
            }
        }
        out
    }

    /// Adds a resource; `url` is the `fullUrl` of its entry.
    pub fn add(&mut self, url: Option<&str>, resource: Json) {
        let number = self.all.len();
        let kind = resource.text_at(&["resourceType"]).unwrap_or_default();
        let own = resource.text_at(&["id"]).map(|id| format!("{kind}/{id}"));
        let own: Vec<String> = own.into_iter().chain(url.map(str::to_owned)).collect();
        references(&resource, &mut |to| {
            let list = self.referring.entry((to.to_owned(), kind.to_owned())).or_default();
            if list.last() != Some(&number) {
                list.push(number);
            }
        });
        kept_columns(&resource, &mut |table, column| {
            self.columns.entry(table.to_owned()).or_default().insert(column);
        });
        self.kinds.entry(kind.to_owned()).or_default().push(number);
        self.names.extend(own.iter().map(|name| (name.clone(), number)));
        self.own.push(own);
        self.all.push(Arc::new(resource));
    }
}

impl Pool for Held {
    fn len(&self) -> usize {
        self.all.len()
    }

    fn resource(&self, number: usize) -> Option<Arc<Json>> {
        self.all.get(number).cloned()
    }

    fn next(&self, kind: &str, from: usize) -> Option<usize> {
        let numbers = self.kinds.get(kind)?;
        numbers.get(numbers.partition_point(|number| *number < from)).copied()
    }

    fn named(&self, reference: &str) -> Option<usize> {
        self.names.get(reference).copied()
    }

    fn referring(&self, number: usize, kind: &str, take: &mut dyn FnMut(usize) -> bool) {
        let own = self.own.get(number).into_iter().flatten();
        let list = own.filter_map(|name| self.referring.get(&(name.clone(), kind.to_owned()))).flatten();
        list.copied().take_while(|number| take(*number)).for_each(drop);
    }

    fn columns(&self, table: &str) -> BTreeSet<String> {
        self.columns.get(table).cloned().unwrap_or_default()
    }
}

/// Every reference of a resource.
pub fn references<'r>(json: &'r Json, take: &mut impl FnMut(&'r str)) {
    match json {
        Json::Object(object) => {
            for (name, value) in object.iter() {
                match value {
                    Json::String(text) if name == "reference" => take(text),
                    _ => references(value, take),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| references(item, take)),
        _ => {}
    }
}

/// Tables and names of columns whose cells are kept in extensions of a resource.
pub fn kept_columns(json: &Json, take: &mut impl FnMut(&str, String)) {
    match json {
        Json::Object(object) => {
            for (name, value) in object.iter() {
                match value {
                    Json::String(url) if name == "url" => {
                        if let Some((table, column)) = url.strip_prefix(KEPT).and_then(|rest| rest.split_once(':')) {
                            take(table, unescaped(column));
                        }
                    }
                    _ => kept_columns(value, take),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| kept_columns(item, take)),
        _ => {}
    }
}
