//! `[consent]`: what holds where no consent decides, break-glass, labels, and what the texts leave open.

use std::path::Path;
use std::time::Duration;

use consent::{BasePolicy, Inheritance, LabelCover, Purposes};
use toml::Table;

use super::read::{Findings, Section};
use super::units::{Rate, rate, wait};
use super::{BreakGlass, Consent, ImplicitPolicy, Labelling};
use crate::sensitivity::Named;

const BTG_TTL: Duration = Duration::from_secs(3600);
const BTG_RATE: Rate = Rate { count: 5, per: Duration::from_secs(3600) };

pub(super) fn read(table: Table, base: &Path, findings: &mut Findings) -> Consent {
    let mut section = Section::new("consent", table, findings);
    let policies = [
        ("deny", ImplicitPolicy::Deny),
        ("permit-treatment", ImplicitPolicy::PermitTreatment),
        ("permit-all", ImplicitPolicy::PermitAll),
    ];
    let btg = [("override", BreakGlass::Override), ("consent-only", BreakGlass::ConsentOnly), ("off", BreakGlass::Off)];
    let labelling =
        [("complete", Labelling::Complete), ("map", Labelling::Map), ("unavailable", Labelling::Unavailable)];
    let consent = Consent {
        implicit_policy: section.word("implicit_policy", &policies).unwrap_or(ImplicitPolicy::Deny),
        btg: section.word("btg", &btg).unwrap_or(BreakGlass::Override),
        btg_ttl: section.take("btg_ttl", "\"1h\"", wait).unwrap_or(BTG_TTL),
        btg_rate: section.take("btg_rate", "\"5/h\"", rate).unwrap_or(BTG_RATE),
        labelling: section.word("labelling", &labelling).unwrap_or(Labelling::Complete),
        custodian: section.texts("custodian", "[\"Organization/hospital\"]").unwrap_or_default(),
        sensitivity: sensitivity(&mut section, base),
        purposes: section.word("purposes", &[("every", Purposes::Every), ("any", Purposes::Any)]).unwrap_or_default(),
        label_cover: section
            .word("label_cover", &[("all", LabelCover::All), ("any", LabelCover::Any)])
            .unwrap_or_default(),
        inheritance: section
            .word("inheritance", &[("override", Inheritance::Override), ("narrow", Inheritance::Narrow)])
            .unwrap_or_default(),
        base_policy: section
            .word("base_policy", &[("guarded", BasePolicy::Guarded), ("literal", BasePolicy::Literal)])
            .unwrap_or_default(),
    };
    // Tables that nothing runs would be a promise that is not kept.
    if !consent.sensitivity.is_empty() && consent.labelling != Labelling::Map {
        let key = section.key("sensitivity");
        section.findings.error(key, "the sensitivity map runs at labelling \"map\" only", "set labelling = \"map\"");
    }
    section.finish();
    consent
}

fn sensitivity(section: &mut Section<'_>, base: &Path) -> Vec<Named> {
    let entries = section.texts("sensitivity", "[\"PSY=valuesets/mental-health.json\", \"labels.csv\"]");
    let named: Vec<Named> = entries.unwrap_or_default().iter().map(|entry| Named::parse(entry, base)).collect();
    for one in named.iter().filter(|one| !one.path.exists()) {
        let key = section.key("sensitivity");
        let message = format!("nothing at {}", one.path.display());
        section.findings.error(key, message, "paths are relative to the configuration file");
    }
    named
}
