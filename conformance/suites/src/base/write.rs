//! Writing and reading back: nothing may be lost, every version has its name, what is refused is not stored.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::json::{Json, Limits, parse};

use super::errors::link;
use super::{Probe, Seen, Shared, TAG, job};
use crate::client::{Request, url};
use crate::result::Weight;
use crate::run::Job;

const GROUP: &str = "Write and read back";

pub(super) fn jobs(shared: &Arc<Shared>) -> Vec<Job> {
    if shared.context.variables.get("read-only").is_some_and(|value| value != "no") {
        return Vec::new();
    }
    vec![
        job(shared, GROUP, "What is created is read back whole", Weight::Shall, whole),
        job(shared, GROUP, "Versions follow each other", Weight::Shall, versions),
        job(shared, GROUP, "A stale If-Match is refused", Weight::Shall, stale),
        job(shared, GROUP, "A known version is not sent again", Weight::Should, unchanged),
        job(shared, GROUP, "A search finds what was written, on all its pages", Weight::Shall, pages),
        job(shared, GROUP, "A deleted resource is gone", Weight::Shall, gone),
        job(shared, GROUP, "What is no FHIR is refused", Weight::Shall, refused),
        job(shared, GROUP, "A transaction is all or nothing", Weight::Shall, transaction),
    ]
}

/// A Patient that carries the run and one more word in its identifier.
fn patient(probe: &Probe, word: &str) -> Json {
    let text = format!(
        r#"{{"resourceType":"Patient","meta":{{"tag":[{{"system":"{TAG}","code":"test"}}]}},
        "identifier":[{{"system":"{TAG}","value":"{}-{word}"}}],"active":true,
        "name":[{{"family":"Testfall","given":["Zoë","Ann-Marie"]}}],"gender":"unknown","birthDate":"1970-01"}}"#,
        probe.shared.run_id
    );
    parse(text.as_bytes(), &Limits::default()).unwrap_or(Json::Null)
}

/// An Observation with what is lost most often: digits, zones, extensions, unusual letters.
fn observation(probe: &Probe) -> Json {
    let text = format!(
        r#"{{"resourceType":"Observation","meta":{{"tag":[{{"system":"{TAG}","code":"test"}}]}},
        "identifier":[{{"system":"{TAG}","value":"{}-o"}}],
        "extension":[{{"url":"{TAG}:extension","valueString":"kept \u00e9\u4e2d"}}],"status":"final",
        "code":{{"coding":[{{"system":"http://loinc.org","code":"29463-7","display":"Body weight"}}],"text":"Weight <&>"}},
        "effectiveDateTime":"2024-02-29T23:59:59+05:30","_issued":{{"extension":[{{"url":"{TAG}:why","valueCode":"unknown"}}]}},
        "valueQuantity":{{"value":70.50,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}}}}"#,
        probe.shared.run_id
    );
    parse(text.as_bytes(), &Limits::default()).unwrap_or(Json::Null)
}

/// Creates a resource and checks the answer; its id and version.
async fn create(probe: &Probe, resource: &Json) -> Option<(String, String)> {
    let kind = resource.text_at(&["resourceType"]).unwrap_or_default().to_owned();
    let request = probe.with("POST", &kind, resource);
    let expected = "201 with Location [base]/Type/id/_history/version, and ETag with that version";
    let mut made = None;
    probe
        .expect(request, expected, |seen| {
            seen.status(&[201])?;
            let location = seen.header("location")?;
            let (before, version) =
                location.split_once("/_history/").ok_or_else(|| "a Location without a version".to_owned())?;
            let id = before.strip_suffix('/').unwrap_or(before).rsplit('/').next().unwrap_or_default();
            if !before.ends_with(&format!("{kind}/{id}")) || id.is_empty() || version.is_empty() {
                return Err("a Location of another form".to_owned());
            }
            let tag = seen.header("etag")?;
            if tag != format!("W/\"{version}\"") {
                return Err(format!("ETag {tag} for version {version}"));
            }
            seen.header("last-modified")?;
            made = Some((id.to_owned(), version.to_owned()));
            Ok(())
        })
        .await?;
    made
}

/// Whether everything sent is there: `meta` and `id` are the server's, its narrative too.
fn holds(sent: &Json, got: &Json) -> Result<(), String> {
    let (Some(sent), Some(got)) = (sent.as_object(), got.as_object()) else { return Err("no resource".to_owned()) };
    for (name, value) in sent.iter().filter(|(name, _)| !["id", "meta", "text"].contains(name)) {
        match got.get(name) {
            None => return Err(format!("{name} is gone")),
            Some(other)
                if model::canonical::bytes(other) != model::canonical::bytes(value)
                    || digits(other) != digits(value) =>
            {
                return Err(format!("{name} is changed: {}", other.to_text()));
            }
            Some(_) => {}
        }
    }
    for (name, _) in got.iter() {
        if !sent.contains_key(name) && !["id", "meta", "text"].contains(&name) {
            return Err(format!("{name} was added"));
        }
    }
    Ok(())
}

/// The numbers in a value as they are written: 70.50 is not 70.5.
fn digits(value: &Json) -> Vec<String> {
    match value {
        Json::Number(number) => vec![number.as_str().to_owned()],
        Json::Array(items) => items.iter().flat_map(digits).collect(),
        Json::Object(object) => {
            let mut members: Vec<(&str, &Json)> = object.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            members.into_iter().flat_map(|(_, value)| digits(value)).collect()
        }
        _ => Vec::new(),
    }
}

async fn whole(probe: Probe) {
    let mut tried = false;
    for (kind, sent) in [("Patient", patient(&probe, "whole")), ("Observation", observation(&probe))] {
        if !probe.shared.has(kind, "create") {
            continue;
        }
        tried = true;
        let Some((id, version)) = create(&probe, &sent).await else { continue };
        let request = probe.request("GET", &format!("{kind}/{id}"));
        let expected = "200, this id and version, ETag, Last-Modified, the content as sent";
        probe
            .expect(request, expected, |seen| {
                seen.status(&[200])?;
                seen.is(kind)?;
                named(seen, &id, &version)?;
                seen.header("last-modified")?;
                let written = |name: &str| seen.body.text_at(&["meta", name]).map(str::to_owned);
                written("lastUpdated").ok_or("no meta.lastUpdated")?;
                let tagged = |tag: &Json| tag.text_at(&["system"]) == Some(TAG);
                if !seen.body.get("meta").is_some_and(|meta| meta.items("tag").iter().any(tagged)) {
                    return Err("meta.tag is gone".to_owned());
                }
                holds(&sent, seen.body)
            })
            .await;
    }
    if !tried {
        probe.skip("create is declared for neither Patient nor Observation");
    }
}

/// Id, version and ETag of a resource agree with each other and with what is expected.
fn named(seen: &Seen<'_>, id: &str, version: &str) -> Result<(), String> {
    let got = seen.body.text_at(&["id"]).unwrap_or_default();
    if got != id {
        return Err(format!("id {got}"));
    }
    let got = seen.body.text_at(&["meta", "versionId"]).unwrap_or_default();
    if got != version {
        return Err(format!("meta.versionId {got} instead of {version}"));
    }
    let tag = seen.header("etag")?;
    if tag == format!("W/\"{version}\"") { Ok(()) } else { Err(format!("ETag {tag} for version {version}")) }
}

async fn versions(probe: Probe) {
    if !(probe.shared.has("Patient", "create") && probe.shared.has("Patient", "update")) {
        return probe.skip("create and update are not declared for Patient");
    }
    let first = patient(&probe, "versions");
    let Some((id, one)) = create(&probe, &first).await else { return };
    let mut second = first.clone();
    if let Some(object) = second.as_object_mut() {
        object.insert("id", id.as_str());
        object.insert("gender", "other");
    }
    let path = format!("Patient/{id}");
    let mut two = None;
    let updated = probe
        .expect(probe.with("PUT", &path, &second), "200 and an ETag with a new version", |seen| {
            seen.status(&[200])?;
            let tag = seen.header("etag")?;
            let version = tag.strip_prefix("W/\"").and_then(|rest| rest.strip_suffix('"'));
            let version = version.ok_or_else(|| format!("ETag {tag}"))?;
            if version == one {
                return Err("the version of before".to_owned());
            }
            two = Some(version.to_owned());
            Ok(())
        })
        .await;
    let Some(two) = updated.and(two) else { return };
    let read = probe.request("GET", &path);
    probe
        .expect(read, "200 and the new content under the new version", |seen| {
            seen.status(&[200])?;
            named(seen, &id, &two)?;
            holds(&second, seen.body)
        })
        .await;
    if probe.shared.has("Patient", "vread") {
        for (version, content) in [(&one, &first), (&two, &second)] {
            let request = probe.request("GET", &format!("{path}/_history/{version}"));
            probe
                .expect(request, "200 and the content of that version", |seen| {
                    seen.status(&[200])?;
                    named(seen, &id, version)?;
                    holds(content, seen.body)
                })
                .await;
        }
        let request = probe.request("GET", &format!("{path}/_history/no-such-version"));
        probe.expect(request, "404 and an OperationOutcome", |seen| seen.refused(&[404, 400])).await;
    }
    if probe.shared.has("Patient", "history-instance") {
        let request = probe.request("GET", &format!("{path}/_history"));
        probe
            .expect(
                request,
                "a Bundle of type history, both versions, the newest first, each with its request",
                |seen| {
                    seen.status(&[200])?;
                    seen.is("Bundle")?;
                    if seen.body.text_at(&["type"]) != Some("history") {
                        return Err("a Bundle of another type".to_owned());
                    }
                    let entries = seen.body.items("entry");
                    let got: Vec<&str> =
                        entries.iter().filter_map(|entry| entry.text_at(&["resource", "meta", "versionId"])).collect();
                    if got != [two.as_str(), one.as_str()] {
                        return Err(format!("the versions {}", got.join(", ")));
                    }
                    let requested = |entry: &Json| entry.text_at(&["request", "method"]).is_some();
                    if entries.iter().all(requested) { Ok(()) } else { Err("an entry without its request".to_owned()) }
                },
            )
            .await;
    }
    let mut other = second;
    if let Some(object) = other.as_object_mut() {
        object.insert("id", "another-id");
    }
    let request = probe.with("PUT", &path, &other);
    probe.expect(request, "400: the id of the body is not that of the address", |seen| seen.refused(&[400, 422])).await;
}

async fn stale(probe: Probe) {
    if !(probe.shared.has("Patient", "create") && probe.shared.has("Patient", "update")) {
        return probe.skip("create and update are not declared for Patient");
    }
    let mut resource = patient(&probe, "stale");
    let Some((id, one)) = create(&probe, &resource).await else { return };
    if let Some(object) = resource.as_object_mut() {
        object.insert("id", id.as_str());
        object.insert("active", false);
    }
    let path = format!("Patient/{id}");
    let put = |probe: &Probe| probe.with("PUT", &path, &resource).header("If-Match", &format!("W/\"{one}\""));
    // http.html, "Managing Resource Contention".
    if probe.expect(put(&probe), "200: the version is the current one", |seen| seen.status(&[200])).await.is_none() {
        return;
    }
    let request = put(&probe);
    probe.expect(request, "412: the version is no longer the current one", |seen| seen.refused(&[412, 409])).await;
}

async fn unchanged(probe: Probe) {
    if !probe.shared.has("Patient", "create") {
        return probe.skip("create is not declared for Patient");
    }
    let resource = patient(&probe, "unchanged");
    let Some((id, version)) = create(&probe, &resource).await else { return };
    let request = probe.request("GET", &format!("Patient/{id}")).header("If-None-Match", &format!("W/\"{version}\""));
    probe
        .expect(request, "304 without a body", |seen| {
            seen.status(&[304])?;
            if seen.answer.body.is_empty() { Ok(()) } else { Err("304 with a body".to_owned()) }
        })
        .await;
}

async fn pages(probe: Probe) {
    if !(probe.shared.has("Patient", "create") && probe.shared.has("Patient", "search-type")) {
        return probe.skip("create and search are not declared for Patient");
    }
    let resource = patient(&probe, "pages");
    let sent = resource.clone();
    let mut wanted = BTreeSet::new();
    for _ in 0..3 {
        let Some((id, _)) = create(&probe, &resource).await else { return };
        wanted.insert(id);
    }
    let value = format!("{TAG}|{}-pages", probe.shared.run_id);
    let form = format!("identifier={}&_count=2", url::component(&value));
    let mut next = probe.context().url(&format!("Patient?{form}"));
    let mut found = BTreeSet::new();
    for page in 0..4 {
        let request =
            Request::new("GET", url::encode_least(&next)).header("Accept", probe.context().format.media_type());
        let mut following = None;
        let expected = "a page of at most 2 matches, all with the identifier, a self link, total 3 if there is one";
        let answer = probe
            .expect(request, expected, |seen| {
                seen.searchset()?;
                let mut matches = 0;
                for entry in seen.body.items("entry") {
                    let resource = entry.get("resource").unwrap_or(&Json::Null);
                    let id = resource.text_at(&["id"]).unwrap_or_default();
                    if !wanted.contains(id) {
                        return Err("a resource that does not answer".to_owned());
                    }
                    if !found.insert(id.to_owned()) {
                        return Err("a resource that stood on a page before".to_owned());
                    }
                    entry.text_at(&["fullUrl"]).ok_or("an entry without fullUrl")?;
                    holds(&sent, resource)?;
                    matches += 1;
                }
                if matches > 2 {
                    return Err(format!("{matches} matches on a page"));
                }
                match seen.body.get("total") {
                    Some(total) if total.to_text() != "3" => return Err(format!("total {}", total.to_text())),
                    _ => {}
                }
                link(seen, "self").ok_or("no self link")?;
                following = link(seen, "next").map(str::to_owned);
                Ok(())
            })
            .await;
        match (answer, following) {
            (Some(_), Some(url)) if page < 3 => next = url::join(probe.context().base(), &url),
            (None, _) => return,
            _ => break,
        }
    }
    let posted = probe
        .request("POST", "Patient/_search")
        .body("application/x-www-form-urlencoded", form.replace("_count=2", "_count=10"));
    probe
        .expect(posted, "the same three by POST", |seen| {
            seen.searchset()?;
            let ids: BTreeSet<String> = seen
                .body
                .items("entry")
                .iter()
                .filter_map(|entry| entry.text_at(&["resource", "id"]).map(str::to_owned))
                .collect();
            if ids == wanted && found == wanted {
                Ok(())
            } else {
                Err(format!("{} by GET, {} by POST", found.len(), ids.len()))
            }
        })
        .await;
    let other = probe.request(
        "GET",
        &format!("Patient?identifier={}", url::component(&format!("urn:other|{}-pages", probe.shared.run_id))),
    );
    probe
        .expect(other, "nothing under another system", |seen| {
            seen.searchset()?;
            if seen.body.items("entry").is_empty() { Ok(()) } else { Err("something".to_owned()) }
        })
        .await;
}

async fn gone(probe: Probe) {
    if !(probe.shared.has("Patient", "create") && probe.shared.has("Patient", "delete")) {
        return probe.skip("create and delete are not declared for Patient");
    }
    let resource = patient(&probe, "gone");
    let Some((id, version)) = create(&probe, &resource).await else { return };
    let path = format!("Patient/{id}");
    if probe.expect(probe.request("DELETE", &path), "200 or 204", |seen| seen.status(&[200, 202, 204])).await.is_none()
    {
        return;
    }
    probe
        .expect(probe.request("GET", &path), "410 (or 404) and an OperationOutcome", |seen| seen.refused(&[410, 404]))
        .await;
    let again = probe.request("DELETE", &path);
    probe
        .expect(again, "200, 204 or 404: deleting twice is no accident", |seen| seen.status(&[200, 204, 404, 410]))
        .await;
    let value = format!("{TAG}|{}-gone", probe.shared.run_id);
    let search = probe.request("GET", &format!("Patient?identifier={}", url::component(&value)));
    probe
        .expect(search, "no search finds it", |seen| {
            seen.searchset()?;
            if seen.body.items("entry").is_empty() { Ok(()) } else { Err("it is still found".to_owned()) }
        })
        .await;
    if probe.shared.has("Patient", "vread") {
        let request = probe.request("GET", &format!("{path}/_history/{version}"));
        probe.expect(request, "the version of before is still there", |seen| seen.status(&[200])).await;
    }
}

async fn refused(probe: Probe) {
    if !probe.shared.has("Patient", "create") {
        return probe.skip("create is not declared for Patient");
    }
    let json = "application/fhir+json";
    for (what, content_type, body, allowed) in [
        ("no JSON", json, "{\"resourceType\":\"Patient\",", &[400_u16][..]),
        (
            "another type",
            json,
            "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"text\":\"x\"}}",
            &[400, 422],
        ),
        ("an element twice", json, "{\"resourceType\":\"Patient\",\"active\":true,\"active\":false}", &[400, 422]),
        ("an unknown element", json, "{\"resourceType\":\"Patient\",\"noSuchElement\":1}", &[400, 422]),
        ("an impossible date", json, "{\"resourceType\":\"Patient\",\"birthDate\":\"2023-02-30\"}", &[400, 422]),
        ("an unknown code", json, "{\"resourceType\":\"Patient\",\"gender\":\"neither\"}", &[400, 422]),
        ("another media type", "text/plain", "hello", &[415, 400]),
    ] {
        let request = probe.request("POST", "Patient").body(content_type, body);
        let expected = format!("an error with an OperationOutcome: {what}");
        probe.expect(request, &expected, |seen| seen.refused(allowed)).await;
    }
}

async fn transaction(probe: Probe) {
    let rest = probe.shared.statement.items("rest").iter();
    let declared =
        rest.flat_map(|rest| rest.items("interaction")).any(|one| one.text_at(&["code"]) == Some("transaction"));
    if !(declared && probe.shared.has("Patient", "search-type")) {
        return probe.skip("transactions are not declared");
    }
    let entry = |resource: Json| {
        Json::object([
            ("resource", resource),
            ("request", Json::object([("method", Json::from("POST")), ("url", Json::from("Patient"))])),
        ])
    };
    let bundle = |entries: Vec<Json>| {
        Json::object([
            ("resourceType", Json::from("Bundle")),
            ("type", Json::from("transaction")),
            ("entry", Json::array(entries)),
        ])
    };
    let bad = Json::object([("resourceType", Json::from("Patient")), ("gender", Json::from("neither"))]);
    let request = probe.with("POST", "", &bundle(vec![entry(patient(&probe, "bad")), entry(bad)]));
    probe.expect(request, "an error with an OperationOutcome", |seen| seen.refused(&[400, 409, 412, 422])).await;
    let good = bundle(vec![entry(patient(&probe, "good")), entry(patient(&probe, "good"))]);
    let request = probe.with("POST", "", &good);
    probe
        .expect(request, "200 and a transaction-response with two entries of status 201 and their locations", |seen| {
            seen.status(&[200])?;
            seen.is("Bundle")?;
            let created = |entry: &Json| {
                entry.text_at(&["response", "status"]).is_some_and(|status| status.starts_with("201"))
                    && entry.text_at(&["response", "location"]).is_some()
            };
            let entries = seen.body.items("entry");
            let response = seen.body.text_at(&["type"]) == Some("transaction-response");
            if response && entries.len() == 2 && entries.iter().all(created) {
                Ok(())
            } else {
                Err("another answer".to_owned())
            }
        })
        .await;
    for (word, count) in [("bad", 0), ("good", 2)] {
        let value = format!("{TAG}|{}-{word}", probe.shared.run_id);
        let request = probe.request("GET", &format!("Patient?identifier={}", url::component(&value)));
        probe
            .expect(request, &format!("{count} resources of that transaction"), |seen| {
                seen.searchset()?;
                let got = seen.body.items("entry").len();
                if got == count { Ok(()) } else { Err(format!("{got}")) }
            })
            .await;
    }
}
