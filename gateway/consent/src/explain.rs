//! A decision as JSON: for the audit log, the ledger's digest and the patient who asks why.

use model::json::{Json, Object};

use crate::decide::{Decision, Effect};

impl Decision {
    /// The outcome in one word: `permit` or `deny`.
    pub fn outcome(&self) -> &'static str {
        if self.is_permit() { "permit" } else { "deny" }
    }

    /// The provisions that decided, as `consent/version#path: said`.
    pub fn trace(&self) -> impl Iterator<Item = String> + '_ {
        self.matched.iter().map(|it| {
            let version = it.version.as_ref().map(|version| format!("/_history/{version}")).unwrap_or_default();
            format!("Consent/{}{version}#{}: {}", it.consent, it.path, it.said)
        })
    }

    /// The whole decision as JSON, always in the same order: what a digest of the decision is taken of.
    ///
    /// Holds ids of consents and places in them, no data of the patient. Not for the caller: it would tell that
    /// something is withheld.
    pub fn to_json(&self) -> Json {
        let matched = self.matched.iter().map(|it| {
            let mut member = Object::new();
            member.insert("consent", it.consent.clone());
            if let Some(version) = &it.version {
                member.insert("version", version.clone());
            }
            member.insert("path", it.path.clone());
            member.insert("said", it.said);
            Json::Object(member)
        });
        let mut json = Object::new();
        json.insert("decision", self.outcome());
        if let Effect::Deny(reason) = &self.effect {
            json.insert("reason", reason.as_str());
        }
        json.insert("btg", self.btg);
        json.insert("obligations", Json::array(self.obligations().iter().map(|it| Json::from(it.to_string()))));
        json.insert("matched", Json::array(matched));
        if let Some(map) = &self.map {
            json.insert("map", map.clone());
        }
        Json::Object(json)
    }
}
