//! What is not there, and what is not understood: a server has to say so.

use std::sync::Arc;

use super::{Shared, job};
use crate::result::Weight;
use crate::run::Job;

const GROUP: &str = "Errors";
const NO_ID: &str = "anchorline-conformance-no-such-id";

pub(super) fn jobs(shared: &Arc<Shared>) -> Vec<Job> {
    vec![
        job(shared, GROUP, "An unknown id is 404 with an OperationOutcome", Weight::Shall, |probe| async move {
            let Some(kind) = probe.shared.any_with("read") else { return probe.skip("read is not declared") };
            let paths =
                [format!("{kind}/{NO_ID}"), format!("{kind}/{NO_ID}/_history/1"), format!("{kind}/{NO_ID}/_history")];
            let declared = ["read", "vread", "history-instance"];
            for (path, interaction) in paths.iter().zip(declared) {
                if probe.shared.has(&kind, interaction) {
                    let request = probe.request("GET", path);
                    probe.expect(request, "404 and an OperationOutcome", |seen| seen.refused(&[404])).await;
                }
            }
        }),
        job(shared, GROUP, "An unknown type is refused", Weight::Shall, |probe| async move {
            let request = probe.request("GET", "NoSuchType/1");
            probe.expect(request, "404 (or 400) and an OperationOutcome", |seen| seen.refused(&[404, 400])).await;
        }),
        job(
            shared,
            GROUP,
            "An unknown search parameter is not ignored in silence",
            Weight::Shall,
            |probe| async move {
                let Some(kind) = probe.shared.any_with("search-type") else {
                    return probe.skip("no search is declared");
                };
                let query = format!("{kind}?no-such-parameter=1&_count=1");
                // search.html, "Handling Errors": with handling=strict an error is due; without, one is hoped for.
                let request = probe.request("GET", &query).header("Prefer", "handling=strict");
                probe
                    .expect(request, "400 and an OperationOutcome", |seen| {
                        seen.refused(&[400, 422])?;
                        let text = seen.body.to_text();
                        if text.contains("no-such-parameter") {
                            Ok(())
                        } else {
                            Err("an error that does not name it".to_owned())
                        }
                    })
                    .await;
                let request = probe.request("GET", &query).header("Prefer", "handling=lenient");
                probe
                    .expect(request, "200, and a self link without the parameter; or an error", |seen| {
                        if seen.answer.status >= 400 {
                            return seen.refused(&[400, 422]);
                        }
                        seen.searchset()?;
                        match link(seen, "self") {
                            Some(url) if url.contains("no-such-parameter") => {
                                Err("a self link that claims it was used".to_owned())
                            }
                            Some(_) => Ok(()),
                            None => Err("no self link".to_owned()),
                        }
                    })
                    .await;
            },
        ),
        job(shared, GROUP, "An unknown search parameter is refused even unasked", Weight::Should, |probe| async move {
            let Some(kind) = probe.shared.any_with("search-type") else { return probe.skip("no search is declared") };
            let request = probe.request("GET", &format!("{kind}?no-such-parameter=1&_count=1"));
            probe.expect(request, "400 and an OperationOutcome", |seen| seen.refused(&[400, 422])).await;
        }),
        job(shared, GROUP, "An unknown modifier is refused", Weight::Shall, |probe| async move {
            let Some(kind) = probe.shared.any_with("search-type") else { return probe.skip("no search is declared") };
            // search.html, "Modifiers": a server rejects a modifier that it does not support.
            let request = probe.request("GET", &format!("{kind}?_id:no-such-modifier=1"));
            probe.expect(request, "400 and an OperationOutcome", |seen| seen.refused(&[400, 422])).await;
        }),
        job(shared, GROUP, "A value that is no date is refused", Weight::Shall, |probe| async move {
            let Some(kind) = probe.shared.any_with("search-type") else { return probe.skip("no search is declared") };
            let request = probe.request("GET", &format!("{kind}?_lastUpdated=yesterday"));
            probe.expect(request, "400 and an OperationOutcome", |seen| seen.refused(&[400, 422])).await;
        }),
        job(shared, GROUP, "A method that does not exist there is refused", Weight::Shall, |probe| async move {
            let Some(kind) = probe.shared.any_with("read") else { return probe.skip("read is not declared") };
            let request = probe.request("POST", &format!("{kind}/{NO_ID}")).body("application/fhir+json", "{}");
            probe
                .expect(request, "an error, no answer of success", |seen| seen.status(&[400, 404, 405, 422, 501]))
                .await;
        }),
    ]
}

/// The address of a link of a Bundle.
pub(super) fn link<'s>(seen: &super::Seen<'s>, relation: &str) -> Option<&'s str> {
    let links = seen.body.items("link").iter();
    links.filter(|link| link.text_at(&["relation"]) == Some(relation)).find_map(|link| link.text_at(&["url"]))
}
