//! `[fhir]`: what `/fhir` asks of its callers.

use model::id::ResourceType;
use toml::Table;

use super::read::{Findings, Section, closest};

/// `[fhir]`
#[derive(Debug, Clone, Default)]
pub struct Served {
    versioned_update: Vec<ResourceType>,
}

impl Served {
    /// Whether a resource of this type is changed and deleted by those only who name the version they have seen (FHIR R4
    /// capabilitystatement.html, `rest.resource.versioning`: `versioned-update`).
    pub fn needs_version(&self, resource_type: ResourceType) -> bool {
        self.versioned_update.contains(&resource_type)
    }
}

pub(super) fn read(table: Table, findings: &mut Findings) -> Served {
    let mut section = Section::new("fhir", table, findings);
    let named = section.texts("versioned_update", "[\"Patient\", \"MedicationRequest\"]").unwrap_or_default();
    let mut served = Served::default();
    for name in named {
        if name == "*" {
            served.versioned_update.extend(ResourceType::all());
        } else if let Ok(resource_type) = ResourceType::parse(&name) {
            served.versioned_update.push(resource_type);
        } else {
            let names: Vec<&str> = ResourceType::all().map(ResourceType::as_str).collect();
            let suggestion = match closest(&name, &names) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "write names of resource types, or \"*\" for all".to_owned(),
            };
            let key = section.key("versioned_update");
            section.findings.error(key, format!("{name} is no resource type of FHIR R4"), suggestion);
        }
    }
    section.finish();
    served
}
