//! What is declared answers, and what answers is declared.

use std::collections::BTreeSet;

use gateway::api::router::{Capability, Endpoint, routes};
use gateway::operations::table::OPERATIONS;
use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::process::Gateway;

use crate::operations::OPEN;

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value[name].as_array().into_iter().flatten()
}

/// Whether an answer says that nothing is offered here.
fn is_not_offered(answer: &Answer) -> bool {
    let text = answer.text();
    matches!(answer.status, 405 | 501)
        || text.contains("this address is not known")
        || text.contains("no operation of this name")
        || text.contains("\"not-supported\"")
}

fn statement(http: &Http) -> Value {
    let answer = http.get("/fhir/metadata");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn the_statement_is_valid() {
    let gateway = Gateway::start(OPEN);
    let http = Http::to(gateway.http.unwrap());
    let statement = statement(&http);
    let judged = http.post("/fhir/CapabilityStatement/$validate", &statement).json();
    let wrong: Vec<&Value> =
        list(&judged, "issue").filter(|issue| matches!(issue["severity"].as_str(), Some("error" | "fatal"))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_declared_answers() {
    let gateway = Gateway::start(OPEN);
    let http = Http::to(gateway.http.unwrap());
    assert_eq!(
        http.put("/fhir/Basic/b", &json!({"resourceType": "Basic", "id": "b", "code": {"text": "x"}})).status,
        201
    );
    let statement = statement(&http);
    let rest = &statement["rest"][0];
    for of_type in list(rest, "resource") {
        let name = of_type["type"].as_str().unwrap();
        for interaction in list(of_type, "interaction") {
            let code = interaction["code"].as_str().unwrap();
            let body = json!({"resourceType": name, "id": "none"});
            let answer = match code {
                "read" => http.get(&format!("/fhir/{name}/none")),
                "vread" => http.get(&format!("/fhir/{name}/none/_history/1")),
                "history-instance" => http.get(&format!("/fhir/{name}/none/_history")),
                "history-type" => http.get(&format!("/fhir/{name}/_history")),
                "search-type" => http.get(&format!("/fhir/{name}?_summary=count")),
                // Refused for its content, which shows that it is read.
                "create" => http.post(&format!("/fhir/{name}"), &json!({"resourceType": name, "unknown": 1})),
                "update" => {
                    http.put(&format!("/fhir/{name}/none"), &json!({"resourceType": name, "id": "none", "unknown": 1}))
                }
                "patch" => http.send(
                    "PATCH",
                    &format!("/fhir/{name}/none"),
                    &[("Content-Type", "application/json-patch+json")],
                    b"[]",
                ),
                "delete" => http.send("DELETE", &format!("/fhir/{name}/none"), &[], b""),
                other => panic!("{name} declares {other}, which no test asks"),
            };
            drop(body);
            assert!(!is_not_offered(&answer), "{name} {code}: {} {}", answer.status, answer.text());
        }
    }
    for code in list(rest, "interaction").filter_map(|it| it["code"].as_str()) {
        let answer = match code {
            "transaction" | "batch" => http.post("/fhir", &json!({"resourceType": "Bundle", "type": code})),
            "search-system" => http.get("/fhir?_type=Basic&_summary=count"),
            "history-system" => http.get("/fhir/_history"),
            other => panic!("{other} is declared, which no test asks"),
        };
        assert_eq!(answer.status, 200, "{code}: {}", answer.text());
    }
}

#[test]
fn every_declared_parameter_and_include_is_read() {
    let gateway = Gateway::start(OPEN);
    let http = Http::to(gateway.http.unwrap());
    let statement = statement(&http);
    for of_type in list(&statement["rest"][0], "resource") {
        let name = of_type["type"].as_str().unwrap();
        let parameters =
            list(of_type, "searchParam").map(|it| (it["name"].as_str().unwrap(), it["type"].as_str().unwrap()));
        let asked: Vec<String> = parameters
            // Each has its own grammar and its own tests.
            .filter(|(name, kind)| {
                !matches!(*kind, "special" | "composite")
                    && !matches!(*name, "_filter" | "_has" | "_list" | "_text" | "_content" | "_query" | "_type")
            })
            .map(|(name, _)| format!("{name}:missing=true"))
            .filter(|asked| !asked.starts_with("_id:") && !asked.starts_with("_lastUpdated:"))
            .collect();
        let answer = http.get(&format!("/fhir/{name}?_summary=count&{}", asked.join("&")));
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        for (member, parameter) in [("searchInclude", "_include"), ("searchRevInclude", "_revinclude")] {
            let asked: Vec<String> =
                list(of_type, member).filter_map(Value::as_str).map(|it| format!("{parameter}={it}")).collect();
            if !asked.is_empty() {
                let answer = http.get(&format!("/fhir/{name}?_count=1&{}", asked.join("&")));
                assert_eq!(answer.status, 200, "{name} {member}: {}", answer.text());
            }
        }
    }
}

#[test]
fn every_operation_is_declared_and_every_declared_operation_answers() {
    let gateway = Gateway::start(OPEN);
    let http = Http::to(gateway.http.unwrap());
    let statement = statement(&http);
    let rest = &statement["rest"][0];
    let offered = |value: &Value| -> BTreeSet<(String, String)> {
        let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
        list(value, "operation").map(|one| (text(one, "name"), text(one, "definition"))).collect()
    };
    let mut declared = offered(rest);
    for of_type in list(rest, "resource") {
        declared.extend(offered(of_type));
    }
    let table: BTreeSet<(String, String)> =
        OPERATIONS.iter().map(|it| (it.name.to_owned(), it.definition.to_owned())).collect();
    assert_eq!(declared, table);
    for route in routes().iter().filter(|route| route.operation.is_some()) {
        let path = route.pattern.replace("{type}", "Basic").replace("{id}", "none");
        let answer = http.send(route.method.as_str(), &path, &[("Content-Type", "application/fhir+json")], b"");
        let missing = matches!(answer.status, 405 | 501) || answer.text().contains("no operation of this name");
        assert!(!missing, "{} {path}: {} {}", route.method, answer.status, answer.text());
    }
}

#[test]
fn every_route_is_declared() {
    // What stands in a CapabilityStatement in another form than as an interaction, or not at all.
    let otherwise = [
        Endpoint::Metadata,
        Endpoint::OpenApi,
        Endpoint::SearchByForm,
        Endpoint::SystemSearchByForm,
        Endpoint::CompartmentSearch,
        Endpoint::CompartmentSearchByForm,
        Endpoint::Job,
        Endpoint::EndJob,
    ];
    let gateway = Gateway::start(OPEN);
    let http = Http::to(gateway.http.unwrap());
    let text = http.get("/fhir/metadata").text();
    for route in routes().iter().filter(|route| route.pattern.starts_with("/fhir") && route.operation.is_none()) {
        let declared = route.capabilities.iter().all(|one| match one {
            Capability::Interaction(code) | Capability::System(code) => text.contains(&format!("\"{code}\"")),
            Capability::ConditionalUpdate => text.contains("\"conditionalUpdate\":true"),
            Capability::ConditionalDelete => text.contains("\"conditionalDelete\":\"single\""),
            Capability::ConditionalPatch => text.contains("\"patchFormat\""),
        });
        let is_said = !route.capabilities.is_empty() || otherwise.contains(&route.endpoint);
        assert!(declared && is_said, "{} {}", route.method, route.pattern);
    }
}

#[test]
fn the_openapi_description_is_the_route_table() {
    let gateway = Gateway::start(OPEN);
    let http = Http::to(gateway.http.unwrap());
    let described = http.get("/fhir/openapi.json").json();
    assert_eq!(described["openapi"], "3.1.0");
    let mut found = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            found.insert((method.to_uppercase(), path.clone()));
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{operation}");
            for name in path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')) {
                assert!(
                    list(operation, "parameters").any(|one| one["name"] == name && one["in"] == "path"),
                    "{path} {name}"
                );
            }
        }
    }
    let types: Vec<String> = list(&described["components"]["schemas"]["ResourceType"], "enum")
        .map(|it| it.as_str().unwrap().to_owned())
        .collect();
    assert!(types.len() > 140);
    let table: BTreeSet<(String, String)> = routes()
        .iter()
        .flat_map(|route| {
            let paths = match route.pattern {
                "/fhir/{type}" => types.iter().map(|name| format!("/fhir/{name}")).collect(),
                pattern => vec![pattern.replace("*}", "}")],
            };
            paths.into_iter().map(|path| (route.method.to_string(), path))
        })
        .collect();
    assert_eq!(found, table);
}

#[test]
fn the_openapi_description_names_the_parameters_of_each_type() {
    let gateway = Gateway::start(OPEN);
    let http = Http::to(gateway.http.unwrap());
    let described = http.get("/fhir/openapi.json").json();
    let statement = statement(&http);
    for of_type in list(&statement["rest"][0], "resource") {
        let name = of_type["type"].as_str().unwrap();
        let declared: BTreeSet<&str> = list(of_type, "searchParam").map(|it| it["name"].as_str().unwrap()).collect();
        let search = &described["paths"][format!("/fhir/{name}")]["get"];
        let named: BTreeSet<&str> = list(search, "parameters")
            .filter_map(|one| one["$ref"].as_str()?.strip_prefix("#/components/parameters/"))
            .map(|key| {
                let parameter = &described["components"]["parameters"][key];
                assert_eq!(parameter["in"], "query", "{key}");
                parameter["name"].as_str().unwrap()
            })
            .collect();
        assert_eq!(named, declared, "{name}");
    }
    let shared = &described["components"]["parameters"]["Patient-birthdate"];
    assert!(shared["description"].as_str().unwrap().starts_with("date: http"), "{shared}");
}

#[test]
fn what_is_said_of_conditions_holds() {
    let gateway = Gateway::start(OPEN);
    let http = Http::to(gateway.http.unwrap());
    let statement = statement(&http);
    for of_type in list(&statement["rest"][0], "resource") {
        let said = |name: &str| of_type[name].clone();
        assert_eq!(said("conditionalRead"), "full-support");
        assert_eq!(said("conditionalDelete"), "single");
        for name in ["conditionalCreate", "conditionalUpdate", "updateCreate", "readHistory"] {
            assert_eq!(said(name), true, "{name}");
        }
    }
    let basic =
        |id: &str| json!({"resourceType": "Basic", "id": id, "code": {"coding": [{"system": "urn:c", "code": "x"}]}});
    for id in ["a", "b"] {
        assert_eq!(http.put(&format!("/fhir/Basic/{id}"), &basic(id)).status, 201);
    }
    let read = http.get("/fhir/Basic/a");
    let (version, changed) = (read.header("etag").unwrap(), read.header("last-modified").unwrap());
    for (field, value, status) in [
        ("If-None-Match", version, 304),
        ("If-None-Match", "W/\"77\"", 200),
        ("If-Modified-Since", changed, 304),
        ("If-Modified-Since", "Sat, 01 Jan 2000 00:00:00 GMT", 200),
    ] {
        assert_eq!(http.send("GET", "/fhir/Basic/a", &[(field, value)], b"").status, status, "{field} {value}");
    }
    // Of several that fit none is deleted.
    assert_eq!(http.send("DELETE", "/fhir/Basic?code=urn:c|x", &[], b"").status, 412);
    assert_eq!(http.get("/fhir/Basic?_summary=count").json()["total"], 2);
    assert_eq!(http.send("DELETE", "/fhir/Basic?code=urn:c|x&_id=a", &[], b"").status, 204);
    assert_eq!((http.get("/fhir/Basic/a").status, http.get("/fhir/Basic/b").status), (410, 200));
}

#[test]
fn every_loaded_profile_is_declared_and_checked_against() {
    let gateway = Gateway::start(OPEN);
    let http = Http::to(gateway.http.unwrap());
    assert!(!http.get("/fhir/metadata").text().contains("supportedProfile"), "nothing is loaded");
    drop(gateway);
    let profile = |id: &str, of: &str, kind: &str| {
        json!({"resourceType": "StructureDefinition", "url": format!("urn:ward:{id}"), "version": "1", "name": id, "status": "active",
            "kind": kind, "abstract": false, "type": of, "baseDefinition": format!("http://hl7.org/fhir/StructureDefinition/{of}"),
            "derivation": "constraint", "differential": {"element": [{"id": of, "path": of}, {"id": format!("{of}.id"), "path": format!("{of}.id"), "min": 1}]}})
    };
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": profile("patient", "Patient", "resource")}, {"resource": profile("other", "Patient", "resource")},
        {"resource": profile("basic", "Basic", "resource")}, {"resource": profile("extension", "Extension", "complex-type")}]});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ward.json");
    std::fs::write(&file, bundle.to_string()).unwrap();
    let gateway = Gateway::start(&format!("{OPEN}\n[validation]\npackages = [{file:?}]\n"));
    let http = Http::to(gateway.http.unwrap());
    let statement = statement(&http);
    let mut declared = BTreeSet::new();
    for of_type in list(&statement["rest"][0], "resource") {
        let name = of_type["type"].as_str().unwrap();
        for url in list(of_type, "supportedProfile").map(|it| it.as_str().unwrap()) {
            declared.insert((name, url));
            let resource = json!({"resourceType": name});
            let judged = http.post(&format!("/fhir/{name}/$validate?profile={url}"), &resource);
            assert!(
                judged.status == 200 && judged.text().contains(&format!("\"valueString\":\"{url}\"")),
                "{url}: {}",
                judged.text()
            );
        }
    }
    let expected = [("Basic", "urn:ward:basic"), ("Patient", "urn:ward:other"), ("Patient", "urn:ward:patient")];
    assert_eq!(declared, BTreeSet::from(expected));
}

#[test]
fn what_may_wait_is_said() {
    let gateway = Gateway::start(OPEN);
    let http = Http::to(gateway.http.unwrap());
    let said = statement(&http)["rest"][0]["documentation"].as_str().unwrap().to_owned();
    let described = http.get("/fhir/openapi.json").json();
    for route in routes() {
        let path = route.pattern.replace("{type}", "Basic").replace("{compartment}", "Patient").replace("{id}", "none");
        let kind = match route.pattern.ends_with("/_search") {
            true => "application/x-www-form-urlencoded",
            false => "application/fhir+json",
        };
        let batch = br#"{"resourceType": "Bundle", "type": "batch"}"#;
        let body: &[u8] = if route.pattern == "/fhir" && route.method == "POST" { batch } else { b"" };
        let answer =
            http.send(route.method.as_str(), &path, &[("Prefer", "respond-async"), ("Content-Type", kind)], body);
        let job = answer.header("content-location").filter(|_| answer.status == 202).map(str::to_owned);
        assert_eq!(job.is_some(), route.may_wait(), "{} {path}: {} {}", route.method, answer.status, answer.text());
        let shown =
            if route.pattern == "/fhir/{type}" { "/fhir/Basic".to_owned() } else { route.pattern.replace("*}", "}") };
        let method = route.method.as_str().to_lowercase();
        let offers = list(&described["paths"][shown][method], "parameters").any(|one| one["name"] == "Prefer");
        assert_eq!(offers, route.may_wait(), "{} {path}", route.method);
        let Some(job) = job else { continue };
        let address = route.pattern.strip_prefix("/fhir").filter(|it| !it.is_empty()).unwrap_or("/");
        assert!(said.contains(address), "{address}: {said}");
        let job = &job[job.find("/fhir/").unwrap()..];
        assert_eq!(http.send("DELETE", job, &[], b"").status, 202);
    }
}
