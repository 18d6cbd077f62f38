//! From clinical codes to sensitivity labels.

use std::collections::BTreeMap;

use model::json::Json;
use smol_str::SmolStr;

use super::Labels;
use crate::vocabulary::{ACT_CODE, canonical};

/// ICD-10-CM categories by sensitive topic. ICD-10-CM tabular list: F10 (alcohol), F11 (opioids), F12 to F19 (other
/// substances), F20 to F60 (mental disorders), B20, R75 and Z21 (HIV), T74, T76 and Y07 (abuse and its perpetrator).
const ICD10CM: [(&str, &[&str]); 6] = [
    ("ETHUD", &["F10"]),
    ("OPIOIDUD", &["F11"]),
    ("SUD", &["F12", "F13", "F14", "F15", "F16", "F18", "F19"]),
    ("PSY", &["F2", "F3", "F4", "F60"]),
    ("HIV", &["B20", "R75", "Z21"]),
    ("SDV", &["T74", "T76", "Y07"]),
];

/// Which codes make a resource sensitive. A starting point for a site's own map, not a clinical reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SensitivityMap {
    /// By code system: codes or beginnings of codes, and the label they bring.
    systems: BTreeMap<SmolStr, Vec<Rule>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    text: SmolStr,
    prefix: bool,
    label: SmolStr,
}

impl SensitivityMap {
    /// The map that comes with the gateway: ICD-10-CM and ICD-10 chapters of the commonly protected topics.
    pub fn embedded() -> Self {
        let mut map = Self::default();
        for system in ["http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/sid/icd-10"] {
            for (label, beginnings) in ICD10CM {
                for beginning in beginnings {
                    map.add(system, beginning, true, label);
                }
            }
        }
        map
    }

    /// Reads a site's map: `{"rules": [{"label", "system", "code": […], "prefix": […]}]}`. `None` if it is not of
    /// that form: a map that is half understood would label too little.
    pub fn read(json: &Json) -> Option<Self> {
        let mut map = Self::default();
        for rule in json.get("rules")?.as_array()? {
            let label = rule.get("label")?.as_str()?;
            let system = rule.get("system")?.as_str()?;
            for (member, prefix) in [("code", false), ("prefix", true)] {
                let Some(listed) = rule.get(member) else { continue };
                for code in listed.as_array()? {
                    map.add(system, code.as_str()?, prefix, label);
                }
            }
        }
        Some(map)
    }

    fn add(&mut self, system: &str, text: &str, prefix: bool, label: &str) {
        let rule = Rule { text: SmolStr::new(text), prefix, label: SmolStr::new(label) };
        self.systems.entry(SmolStr::new(canonical(system))).or_default().push(rule);
    }

    /// Adds the labels that a coding brings.
    pub(crate) fn label(&self, system: &str, code: &str, labels: &mut Labels) {
        for rule in self.systems.get(system).into_iter().flatten() {
            if rule.text == code || rule.prefix && code.starts_with(rule.text.as_str()) {
                labels.add_code(Some(ACT_CODE), &rule.label);
            }
        }
    }
}
