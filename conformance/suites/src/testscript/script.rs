//! A TestScript as read: FHIR R4 testscript.html, with what it holds that R4 does not know set apart.

use std::path::{Path, PathBuf};

use model::json::Json;

/// A TestScript.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) fixtures: Vec<Fixture>,
    /// Ids of this script with the canonical that each stands for.
    pub(super) profiles: Vec<(String, String)>,
    pub(super) variables: Vec<Variable>,
    pub(super) capabilities: Vec<Capability>,
    pub(super) contained: Vec<Json>,
    pub(super) setup: Vec<Action>,
    pub(super) tests: Vec<Case>,
    pub(super) teardown: Vec<Action>,
}

#[derive(Debug, Default)]
pub(super) struct Fixture {
    pub(super) id: String,
    pub(super) reference: String,
    pub(super) autocreate: bool,
    pub(super) autodelete: bool,
}

#[derive(Debug, Default)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) default: Option<String>,
    pub(super) hint: Option<String>,
    pub(super) source: Option<String>,
    pub(super) header: Option<String>,
    pub(super) expression: Option<String>,
    pub(super) path: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Capability {
    pub(super) checked: bool,
    pub(super) description: String,
    pub(super) canonical: String,
    pub(super) destination: usize,
}

#[derive(Debug, Default)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) actions: Vec<Action>,
}

#[derive(Debug)]
pub(super) enum Action {
    Operation(Box<Operation>),
    Assert(Box<Assert>),
    /// Neither of the two.
    Unknown,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Operation {
    pub(super) code: String,
    pub(super) resource: Option<String>,
    pub(super) label: String,
    pub(super) accept: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) destination: usize,
    pub(super) encode: bool,
    pub(super) method: Option<String>,
    pub(super) params: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) request_id: Option<String>,
    pub(super) response_id: Option<String>,
    pub(super) source_id: Option<String>,
    pub(super) target_id: Option<String>,
    pub(super) url: Option<String>,
}

/// An assert: the criteria it names, as text members, and how to compare.
#[derive(Clone, Debug, Default)]
pub(super) struct Assert {
    pub(super) label: String,
    pub(super) of_request: bool,
    pub(super) warning_only: bool,
    pub(super) navigation_links: bool,
    pub(super) operator: Option<String>,
    pub(super) members: Vec<(&'static str, String)>,
    /// Members that R4 does not know, with their text.
    pub(super) unknown: Vec<(String, String)>,
}

impl Assert {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn extra(&self, name: &str) -> Option<&str> {
        self.unknown.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The text members of an assert. FHIR R4 testscript-definitions.html, `TestScript.setup.action.assert`.
const ASSERT_TEXTS: [&str; 15] = [
    "compareToSourceId",
    "compareToSourceExpression",
    "compareToSourcePath",
    "contentType",
    "expression",
    "headerField",
    "minimumId",
    "path",
    "requestMethod",
    "requestURL",
    "resource",
    "response",
    "responseCode",
    "sourceId",
    "validateProfileId",
];
const ASSERT_OTHERS: [&str; 9] = [
    "id",
    "extension",
    "modifierExtension",
    "label",
    "description",
    "direction",
    "operator",
    "navigationLinks",
    "warningOnly",
];

/// Why a file is no TestScript.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub(super) struct ScriptError(&'static str);

impl Script {
    pub(super) fn read(resource: &Json, folder: &Path) -> Result<Self, ScriptError> {
        if resource.text_at(&["resourceType"]) != Some("TestScript") {
            return Err(ScriptError("a TestScript"));
        }
        let tests: Vec<Case> = resource
            .items("test")
            .iter()
            .map(|test| Case {
                name: text(test, "name").or_else(|| text(test, "id")).unwrap_or_else(|| "test".to_owned()),
                actions: actions(test),
            })
            .collect();
        let script = Self {
            name: ["title", "name", "id"]
                .iter()
                .find_map(|member| text(resource, member))
                .unwrap_or_else(|| "TestScript".to_owned()),
            folder: folder.to_owned(),
            fixtures: resource.items("fixture").iter().map(fixture).collect(),
            profiles: resource
                .items("profile")
                .iter()
                .filter_map(|profile| {
                    let canonical = text(profile, "reference").or_else(|| profile.as_str().map(str::to_owned))?;
                    Some((text(profile, "id")?, canonical))
                })
                .collect(),
            variables: resource.items("variable").iter().map(variable).collect(),
            capabilities: resource
                .get("metadata")
                .map(|metadata| metadata.items("capability").iter().map(capability).collect())
                .unwrap_or_default(),
            contained: resource.items("contained").to_vec(),
            setup: resource.get("setup").map(actions).unwrap_or_default(),
            tests,
            teardown: resource.get("teardown").map(actions).unwrap_or_default(),
        };
        if script.setup.is_empty() && script.tests.is_empty() {
            return Err(ScriptError("a TestScript with a test or a setup"));
        }
        Ok(script)
    }
}

fn text(json: &Json, name: &str) -> Option<String> {
    match json.get(name)? {
        Json::String(text) => Some(text.to_string()),
        Json::Number(number) => Some(number.as_str().to_owned()),
        Json::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn truth(json: &Json, name: &str) -> bool {
    json.get(name).and_then(Json::as_bool).unwrap_or_default()
}

fn fixture(json: &Json) -> Fixture {
    Fixture {
        id: text(json, "id").unwrap_or_default(),
        reference: json.text_at(&["resource", "reference"]).unwrap_or_default().to_owned(),
        autocreate: truth(json, "autocreate"),
        autodelete: truth(json, "autodelete"),
    }
}

fn variable(json: &Json) -> Variable {
    Variable {
        name: text(json, "name").unwrap_or_default(),
        default: text(json, "defaultValue"),
        hint: text(json, "hint"),
        source: text(json, "sourceId"),
        header: text(json, "headerField"),
        expression: text(json, "expression"),
        path: text(json, "path"),
    }
}

fn capability(json: &Json) -> Capability {
    Capability {
        checked: truth(json, "required") && truth(json, "validated"),
        description: text(json, "description").unwrap_or_default(),
        canonical: text(json, "capabilities").unwrap_or_default(),
        destination: number(json, "destination"),
    }
}

/// A number of a destination: 1 if none is given.
fn number(json: &Json, name: &str) -> usize {
    text(json, name).and_then(|digits| digits.parse().ok()).unwrap_or(1)
}

fn actions(section: &Json) -> Vec<Action> {
    section
        .items("action")
        .iter()
        .map(|action| match (action.get("operation"), action.get("assert")) {
            (Some(json), _) => Action::Operation(Box::new(operation(json))),
            (None, Some(json)) => Action::Assert(Box::new(assert(json))),
            (None, None) => Action::Unknown,
        })
        .collect()
}

fn operation(json: &Json) -> Operation {
    let code = json.text_at(&["type", "code"]).unwrap_or_default().to_owned();
    Operation {
        label: ["label", "description"]
            .iter()
            .find_map(|name| text(json, name))
            .or_else(|| (!code.is_empty()).then(|| code.clone()))
            .unwrap_or_else(|| "operation".to_owned()),
        code,
        resource: text(json, "resource"),
        accept: text(json, "accept"),
        content_type: text(json, "contentType"),
        destination: number(json, "destination"),
        // The element is required; a script without it means what its definition calls the default.
        encode: json.get("encodeRequestUrl").and_then(Json::as_bool).unwrap_or(true),
        method: text(json, "method"),
        params: text(json, "params"),
        headers: json
            .items("requestHeader")
            .iter()
            .filter_map(|header| Some((text(header, "field")?, text(header, "value").unwrap_or_default())))
            .collect(),
        request_id: text(json, "requestId"),
        response_id: text(json, "responseId"),
        source_id: text(json, "sourceId"),
        target_id: text(json, "targetId"),
        url: text(json, "url"),
    }
}

fn assert(json: &Json) -> Assert {
    let known = |name: &str| ASSERT_TEXTS.contains(&name) || ASSERT_OTHERS.contains(&name) || name == "value";
    Assert {
        label: ["label", "description"].iter().find_map(|name| text(json, name)).unwrap_or_else(|| "assert".to_owned()),
        of_request: text(json, "direction").as_deref() == Some("request"),
        warning_only: truth(json, "warningOnly"),
        navigation_links: truth(json, "navigationLinks"),
        operator: text(json, "operator"),
        members: ASSERT_TEXTS.iter().chain(&["value"]).filter_map(|name| Some((*name, text(json, name)?))).collect(),
        unknown: json
            .as_object()
            .map(|object| {
                object
                    .iter()
                    .filter(|(name, _)| !known(name) && !name.starts_with('_'))
                    .map(|(name, _)| (name.to_owned(), text(json, name).unwrap_or_default()))
                    .collect()
            })
            .unwrap_or_default(),
    }
}
