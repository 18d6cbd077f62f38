//! Requirement tables: what a server has to do for one profile.
//!
//! A table is a file of JSON, TOML or YAML. Its members are those of the metadata that certification kits keep for each
//! profile (`resource`, `profile_url`, `interactions`, `searches`, `search_definitions`, `must_supports` …), with or
//! without a colon before the names, so that such files are read as they are; docs/suites.md lists them.

use std::path::{Path, PathBuf};

use model::json::Json;

use crate::result::Weight;
use crate::table;

/// What a server has to do for one profile.
#[derive(Clone, Debug, Default)]
pub(super) struct Profile {
    pub(super) resource: String,
    pub(super) url: String,
    pub(super) title: String,
    /// Found through references of other profiles' resources only.
    pub(super) delayed: bool,
    pub(super) interactions: Vec<(String, Weight)>,
    pub(super) searches: Vec<Search>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) revincludes: Vec<String>,
    pub(super) elements: Vec<Element>,
    pub(super) extensions: Vec<String>,
    pub(super) slices: Vec<Slice>,
    pub(super) choices: Vec<Vec<String>>,
    /// Path below the resource, with the types or profiles allowed.
    pub(super) references: Vec<(String, Vec<String>)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Search {
    pub(super) names: Vec<String>,
    pub(super) weight: Weight,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) paths: Vec<String>,
    pub(super) kind: String,
    pub(super) values: Vec<String>,
    pub(super) comparators: Vec<(String, Weight)>,
    pub(super) multiple_or: Option<Weight>,
    pub(super) multiple_and: Option<Weight>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Element {
    pub(super) path: String,
    pub(super) fixed: Option<String>,
}

/// A named part of a list, and how it is told from the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Slice {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) by: By,
}

#[derive(Clone, Debug, Default)]
pub(super) enum By {
    /// Nothing this tool knows: every item counts.
    #[default]
    Any,
    /// The type of a choice element.
    Type(String),
    /// A coding below `path`: any of these pairs of system and code; an empty system counts for all.
    Coding { path: String, any: Vec<(String, String)> },
    /// The system of an identifier.
    System(String),
    /// All of these places with their values.
    Values(Vec<(String, String)>),
}

impl Profile {
    pub(super) fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    pub(super) fn interaction(&self, code: &str) -> Option<Weight> {
        self.interactions.iter().find(|(known, _)| known == code).map(|(_, weight)| *weight)
    }

    /// Its name in reports.
    pub(super) fn name(&self) -> String {
        let short = self.url.rsplit('/').next().unwrap_or_default();
        match (self.title.as_str(), short) {
            ("", short) => format!("{} {short}", self.resource),
            (title, short) => format!("{title} ({short})"),
        }
    }

    fn read(json: &Json) -> Result<Self, String> {
        let resource = text(json, "resource");
        if resource.is_empty() {
            return Err("expected `resource`, the name of a resource type".to_owned());
        }
        let must = member(json, "must_supports");
        let must = |name| must.map(|must| items(must, name)).unwrap_or_default();
        Ok(Self {
            url: text(json, "profile_url"),
            title: text(json, "title"),
            delayed: member(json, "is_delayed").and_then(Json::as_bool).unwrap_or_default(),
            interactions: items(json, "interactions")
                .iter()
                .map(|one| (text(one, "code"), Weight::parse(&text(one, "expectation"))))
                .collect(),
            searches: items(json, "searches")
                .iter()
                .map(|one| Search { names: texts(one, "names"), weight: Weight::parse(&text(one, "expectation")) })
                .filter(|search| !search.names.is_empty())
                .collect(),
            parameters: member(json, "search_definitions")
                .and_then(Json::as_object)
                .map(|object| object.iter().map(|(name, one)| parameter(name, one)).collect())
                .unwrap_or_default(),
            revincludes: texts(json, "revincludes"),
            elements: must("elements")
                .iter()
                .map(|one| Element { path: text(one, "path"), fixed: member(one, "fixed_value").map(plain) })
                .collect(),
            extensions: must("extensions").iter().map(|one| text(one, "url")).collect(),
            slices: must("slices").iter().map(slice).collect(),
            choices: must("choices").iter().map(|one| texts(one, "paths")).filter(|paths| paths.len() > 1).collect(),
            references: items(json, "references")
                .iter()
                .map(|one| {
                    let path = text(one, "path");
                    let below = path.strip_prefix(&format!("{resource}.")).unwrap_or(&path).to_owned();
                    (below, texts(one, "profiles"))
                })
                .collect(),
            resource,
        })
    }
}

/// Reads the tables of a file, or of all files in a folder in the order of their names.
///
/// # Errors
/// One line that names the file and what was expected in it.
pub(super) fn load(path: &Path) -> Result<Vec<Profile>, String> {
    let mut files: Vec<PathBuf> = if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|file| is_table(file)).collect()
    } else {
        vec![path.to_owned()]
    };
    files.sort();
    let mut profiles = Vec::new();
    for file in &files {
        let json = table::read(file)?;
        let single = std::slice::from_ref(&json);
        let several = member(&json, "profiles").and_then(Json::as_array).unwrap_or(single);
        for one in several {
            profiles.push(Profile::read(one).map_err(|error| format!("{}: {error}", file.display()))?);
        }
    }
    if profiles.is_empty() {
        return Err(format!("{}: expected requirement tables (.yml, .yaml, .toml, .json)", path.display()));
    }
    Ok(profiles)
}

fn is_table(file: &Path) -> bool {
    let end = file.extension().and_then(|name| name.to_str()).unwrap_or_default();
    file.is_file() && ["yml", "yaml", "toml", "json"].contains(&end)
}

/// A member by its name, with or without a colon before it.
fn member<'j>(json: &'j Json, name: &str) -> Option<&'j Json> {
    json.get(name).or_else(|| json.get(&format!(":{name}")))
}

fn plain(json: &Json) -> String {
    match json {
        Json::String(text) => text.to_string(),
        Json::Null => String::new(),
        other => other.to_text(),
    }
}

fn text(json: &Json, name: &str) -> String {
    member(json, name).map(plain).unwrap_or_default()
}

fn items<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    member(json, name).and_then(Json::as_array).unwrap_or_default()
}

fn texts(json: &Json, name: &str) -> Vec<String> {
    items(json, name).iter().map(plain).filter(|text| !text.is_empty()).collect()
}

fn parameter(name: &str, json: &Json) -> Parameter {
    let weight = |name: &str| member(json, name).map(|word| Weight::parse(&plain(word)));
    Parameter {
        name: name.strip_prefix(':').unwrap_or(name).to_owned(),
        paths: texts(json, "paths"),
        kind: text(json, "type"),
        values: texts(json, "values"),
        comparators: member(json, "comparators")
            .and_then(Json::as_object)
            .map(|object| {
                let word = |name: &str| name.strip_prefix(':').unwrap_or(name).to_owned();
                object.iter().map(|(name, weight)| (word(name), Weight::parse(&plain(weight)))).collect()
            })
            .unwrap_or_default(),
        multiple_or: weight("multiple_or"),
        multiple_and: weight("multiple_and"),
    }
}

fn slice(json: &Json) -> Slice {
    let by = member(json, "discriminator").map(|by| {
        let pairs = |first: &str, second: &str| {
            items(by, "values").iter().map(|one| (text(one, first), text(one, second))).collect::<Vec<_>>()
        };
        match text(by, "type").as_str() {
            "type" => By::Type(text(by, "code")),
            "patternCodeableConcept" | "patternCoding" => {
                By::Coding { path: text(by, "path"), any: vec![(text(by, "system"), text(by, "code"))] }
            }
            "requiredBinding" => By::Coding { path: text(by, "path"), any: pairs("system", "code") },
            "patternIdentifier" => By::System(text(by, "system")),
            "value" => By::Values(pairs("path", "value")),
            _ => By::Any,
        }
    });
    Slice { name: text(json, "slice_name"), path: text(json, "path"), by: by.unwrap_or_default() }
}
