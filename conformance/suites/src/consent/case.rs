//! One decision case: what is on file, who asks, what is expected; with the ids of this run.

use model::json::{Json, Object};
use model::time::Instant;

use super::rename;
use crate::context::Context;

/// What the system under test is set to; cases for other settings are skipped.
pub(crate) struct Site {
    /// Its address without `/fhir`.
    pub(crate) root: String,
    implicit_policy: String,
    btg: String,
}

impl Site {
    /// As the variables `implicit-policy` and `btg` say; else the defaults of a new gateway.
    pub(crate) fn of(context: &Context) -> Self {
        let variable = |name: &str, default: &str| context.variables.get(name).cloned().unwrap_or(default.to_owned());
        let base = context.base().trim_end_matches('/');
        Self {
            root: base.strip_suffix("/fhir").unwrap_or(base).to_owned(),
            implicit_policy: variable("implicit-policy", "deny"),
            btg: variable("btg", "override"),
        }
    }
}

/// The ways out that one GET can ask for.
const WAYS: [&str; 7] = ["read", "vread", "history", "search", "everything", "summary", "document"];

pub(crate) struct Case {
    original: Json,
    renamed: Json,
    stored: Vec<Json>,
    prefix: String,
}

impl Case {
    /// A case whose ids get the prefix.
    pub(crate) fn new(original: Json, prefix: String) -> Self {
        let mut renamed = original.clone();
        rename::json(&mut renamed, &prefix);
        let mut stored = Vec::new();
        for list in ["resources", "consents", "admin_policies"] {
            for (index, resource) in renamed.items(list).iter().enumerate() {
                let mut resource = resource.clone();
                if let Some(object) = resource.as_object_mut()
                    && !object.contains_key("id")
                {
                    object.insert("id", format!("{prefix}{list}{index}").replace('_', "-"));
                }
                stored.push(resource);
            }
        }
        Self { original, renamed, stored, prefix }
    }

    pub(crate) fn topic(&self) -> String {
        self.original.text_at(&["topic"]).unwrap_or("consent").to_owned()
    }

    pub(crate) fn name(&self) -> String {
        let text = |name: &str| self.original.text_at(&[name]).unwrap_or_default();
        format!("{}: {}", text("id"), text("title"))
    }

    /// What goes on file before the question.
    pub(crate) fn stored(&self) -> &[Json] {
        &self.stored
    }

    pub(crate) fn has_site_policies(&self) -> bool {
        !self.original.items("admin_policies").is_empty()
    }

    /// The policies of the whole site, so changed that they bind nobody.
    pub(crate) fn lifted(&self) -> impl Iterator<Item = Json> + '_ {
        let policies = self.stored.len().saturating_sub(self.original.items("admin_policies").len());
        self.stored.iter().skip(policies).cloned().map(|mut policy| {
            if let Some(object) = policy.as_object_mut() {
                object.insert("status", "inactive");
            }
            policy
        })
    }

    pub(crate) fn request(&self) -> Option<&Json> {
        self.renamed.get("request")
    }

    pub(crate) fn expect(&self) -> Option<&Json> {
        self.renamed.get("expect")
    }

    /// The kind of the interaction: `read`, `search` …
    pub(crate) fn way(&self) -> &str {
        self.original.text_at(&["interaction", "type"]).unwrap_or_default()
    }

    /// Whether the case names the address itself: then the system chooses what it selects.
    pub(crate) fn has_path(&self) -> bool {
        self.original.text_at(&["interaction", "path"]).is_some()
    }

    /// The addresses to ask, below the endpoint.
    pub(crate) fn paths(&self) -> Vec<String> {
        if let Some(path) = self.original.text_at(&["interaction", "path"]) {
            return vec![rename::path(path, &self.prefix)];
        }
        let candidates = self.candidates();
        if self.way() != "search" {
            let patient = self.renamed.text_at(&["interaction", "patient"]).unwrap_or_default();
            return match self.way() {
                "everything" => vec![format!("{patient}/$everything")],
                "summary" | "document" => vec![format!("{patient}/$summary")],
                _ => candidates.iter().map(|candidate| (*candidate).to_owned()).collect(),
            };
        }
        let mut types: Vec<(&str, Vec<&str>)> = Vec::new();
        for (kind, id) in candidates.iter().filter_map(|candidate| candidate.split_once('/')) {
            match types.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, ids)) => ids.push(id),
                None => types.push((kind, vec![id])),
            }
        }
        types.iter().map(|(kind, ids)| format!("{kind}?_id={}", ids.join(","))).collect()
    }

    pub(crate) fn candidates(&self) -> Vec<&str> {
        let interaction = self.renamed.get("interaction");
        let items = interaction.map(|interaction| interaction.items("candidates")).unwrap_or_default();
        items.iter().filter_map(Json::as_str).collect()
    }

    /// The body of a declaration, where the case declares an emergency.
    pub(crate) fn declaration(&self) -> Option<Json> {
        let btg = self.request()?.get("btg")?;
        if btg.get("declared").and_then(Json::as_bool) != Some(true) {
            return None;
        }
        let patient = self.renamed.text_at(&["interaction", "patient"])?;
        let reason = btg.text_at(&["reason"]).unwrap_or_default();
        Some(Json::object([("patient", Json::from(patient)), ("reason", Json::from(reason))]))
    }

    /// Whether the case can be asked of this system today.
    ///
    /// # Errors
    /// Why not, for the report.
    pub(crate) fn askable(&self, site: &Site, now: Instant) -> Result<(), String> {
        if !WAYS.contains(&self.way()) {
            return Err(format!("{} is not asked by one request", self.way()));
        }
        let setting = |name: &str| self.original.text_at(&["config", name]).unwrap_or_default();
        for (name, is) in [("implicit_policy", site.implicit_policy.as_str()), ("btg", site.btg.as_str())] {
            if setting(name) != is {
                return Err(format!("it is for {name} {}; the system is set to {is}", setting(name)));
            }
        }
        if setting("labelling") == "unavailable" {
            return Err("it needs labelling to be down".to_owned());
        }
        let request = self.original.get("request").cloned().unwrap_or(Json::Null);
        if request.text_at(&["action"]).is_some_and(|action| action != "access") {
            return Err("it asks for another action than access".to_owned());
        }
        if !request.items("custodian").is_empty() {
            return Err("it names a custodian, which a request does not say".to_owned());
        }
        self.holds_today(now)
    }

    /// Cases are written for a day. Decided by the same rules today, an emergency declared just now, one must still end as
    /// expected.
    fn holds_today(&self, now: Instant) -> Result<(), String> {
        let mut case = self.original.clone();
        let text = now.to_rfc3339();
        if let Some(request) =
            case.as_object_mut().and_then(|case| case.get_mut("request")).and_then(Json::as_object_mut)
        {
            request.insert("time", text.as_str());
            if let Some(btg) = request.get_mut("btg").and_then(Json::as_object_mut)
                && btg.contains_key("started")
            {
                btg.insert("started", text.as_str());
            }
        }
        // The system stamps what it stores.
        if let Some(Json::Array(resources)) = case.as_object_mut().and_then(|case| case.get_mut("resources")) {
            for resource in resources.iter_mut().filter_map(Json::as_object_mut) {
                let meta = resource.get_or_insert_with("meta", || Json::Object(Object::new()));
                if let Some(meta) = meta.as_object_mut() {
                    meta.insert("lastUpdated", text.as_str());
                }
            }
        }
        let file = Json::object([("schema_version", Json::from(1_u64)), ("cases", Json::array([case]))]);
        match ::consent::cases::run(&file).as_deref() {
            Ok([result]) if result.pass == Some(true) => Ok(()),
            Ok(_) => Err("its outcome hangs on the day it was written for".to_owned()),
            Err(error) => Err(format!("it is no decision case: {error}")),
        }
    }
}
