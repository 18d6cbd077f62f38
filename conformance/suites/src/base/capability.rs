//! The CapabilityStatement, content types, and whether what it declares is there.

use std::sync::Arc;

use super::{Shared, job};
use crate::client::Request;
use crate::result::Weight;
use crate::run::Job;
use crate::wire;

const GROUP: &str = "CapabilityStatement and content types";
/// As many parameters of a type are tried.
const PARAMETERS: usize = 60;

pub(super) fn jobs(shared: &Arc<Shared>) -> Vec<Job> {
    let mut jobs = vec![
        job(
            shared,
            GROUP,
            "The CapabilityStatement is there for everybody and for R4",
            Weight::Shall,
            |probe| async move {
                let request = probe.request("GET", "metadata").header("Authorization", "");
                let expected =
                    "200 and a CapabilityStatement of FHIR 4.0 with status, kind, formats and a server's rest";
                probe
                    .expect(request, expected, |seen| {
                        seen.status(&[200])?;
                        seen.is("CapabilityStatement")?;
                        let version = seen.body.text_at(&["fhirVersion"]).unwrap_or_default();
                        if !version.starts_with("4.0") {
                            return Err(format!("fhirVersion {version}"));
                        }
                        for member in ["status", "kind", "date", "format", "rest"] {
                            if seen.body.get(member).is_none() {
                                return Err(format!("no {member}"));
                            }
                        }
                        let server = |rest: &model::json::Json| rest.text_at(&["mode"]) == Some("server");
                        if seen.body.items("rest").iter().any(server) {
                            Ok(())
                        } else {
                            Err("no rest of mode server".to_owned())
                        }
                    })
                    .await;
            },
        ),
        job(shared, GROUP, "JSON is answered as application/fhir+json", Weight::Shall, |probe| async move {
            for accept in ["application/fhir+json", "application/json"] {
                let request = Request::new("GET", probe.context().url("metadata")).header("Accept", accept);
                probe
                    .expect(request, "Content-Type application/fhir+json", |seen| {
                        is_type(seen, "application/fhir+json")
                    })
                    .await;
            }
            // http.html, "Content Types and encodings": _format overrides the header.
            let request =
                Request::new("GET", probe.context().url("metadata?_format=json")).header("Accept", "text/html");
            probe.expect(request, "_format=json wins over Accept", |seen| is_type(seen, "application/fhir+json")).await;
        }),
        job(shared, GROUP, "A type that nobody can write is refused with 406", Weight::Should, |probe| async move {
            let request = Request::new("GET", probe.context().url("metadata")).header("Accept", "image/png");
            probe.expect(request, "406", |seen| seen.status(&[406])).await;
        }),
        job(shared, GROUP, "A declared type can be searched", Weight::Shall, |probe| async move {
            let types = probe.shared.searchable();
            if types.is_empty() {
                probe.skip("no type is declared as searchable");
            }
            for kind in types {
                let request = probe.request("GET", &format!("{kind}?_count=1"));
                probe
                    .expect(request, "200 and a Bundle of type searchset", |seen| {
                        seen.searchset()?;
                        let count = seen
                            .body
                            .items("entry")
                            .iter()
                            .filter(|entry| entry.text_at(&["search", "mode"]) == Some("match"));
                        if count.count() > 1 { Err("more entries than _count allows".to_owned()) } else { Ok(()) }
                    })
                    .await;
            }
        }),
        job(shared, GROUP, "A type that is not declared is refused", Weight::Should, |probe| async move {
            const RARE: [&str; 6] = [
                "SubstanceNucleicAcid",
                "MolecularSequence",
                "ExampleScenario",
                "TestReport",
                "Linkage",
                "EffectEvidenceSynthesis",
            ];
            let shared = Arc::clone(&probe.shared);
            let Some(kind) = RARE.iter().find(|kind| shared.declared(kind).is_none()) else {
                return probe.skip("every type is declared");
            };
            let request = probe.request("GET", &format!("{kind}?_count=1"));
            probe
                .expect(request, "an error with an OperationOutcome", |seen| seen.refused(&[400, 404, 405, 501]))
                .await;
        }),
    ];
    if shared
        .statement
        .items("format")
        .iter()
        .filter_map(model::json::Json::as_str)
        .any(|format| format.contains("xml"))
    {
        jobs.push(job(
            shared,
            GROUP,
            "Declared XML is answered as application/fhir+xml",
            Weight::Shall,
            |probe| async move {
                for (path, accept) in [("metadata", "application/fhir+xml"), ("metadata?_format=xml", "*/*")] {
                    let request = Request::new("GET", probe.context().url(path)).header("Accept", accept);
                    probe
                        .expect(request, "a CapabilityStatement in XML", |seen| {
                            is_type(seen, "application/fhir+xml")?;
                            seen.is("CapabilityStatement")
                        })
                        .await;
                }
            },
        ));
    }
    for kind in shared.searchable() {
        let name = format!("The declared search parameters of {kind} are taken");
        jobs.push(job(shared, GROUP, &name, Weight::Shall, move |probe| async move {
            let shared = Arc::clone(&probe.shared);
            let parameters = shared.declared(&kind).map(|one| one.items("searchParam")).unwrap_or_default();
            for parameter in parameters.iter().take(PARAMETERS) {
                let name = parameter.text_at(&["name"]).unwrap_or_default();
                let Some(value) = sample(parameter.text_at(&["type"]).unwrap_or_default(), name) else { continue };
                let request = probe.request("GET", &format!("{kind}?{name}={value}&_count=1"));
                probe.expect(request, "200 and a Bundle of type searchset", |seen| seen.searchset()).await;
            }
        }));
    }
    jobs
}

fn is_type(seen: &super::Seen<'_>, wanted: &str) -> Result<(), String> {
    seen.status(&[200])?;
    let got = seen.header("content-type")?;
    if wire::is_media_type(got, wanted) { Ok(()) } else { Err(got.to_owned()) }
}

/// A value of the right form for a search parameter that finds nothing or little; `None` where any value may be wrong.
fn sample(kind: &str, name: &str) -> Option<&'static str> {
    Some(match kind {
        // Result parameters and the like are no criteria.
        _ if name.starts_with('_') && !matches!(name, "_id" | "_lastUpdated" | "_tag" | "_profile" | "_security") => {
            return None;
        }
        "string" => "anchorline",
        "token" => "anchorline-conformance",
        "date" => "2001-02-03",
        "reference" => "anchorline-conformance",
        "number" => "0.5",
        "quantity" => "0.5",
        "uri" => "urn:anchorline:conformance",
        _ => return None,
    })
}
