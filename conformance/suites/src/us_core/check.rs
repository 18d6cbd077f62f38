//! The tests of one profile.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::json::Json;

use super::collect::{self, id};
use super::parameter::{is_date, queries, shifted};
use super::requirement::{Parameter, Profile, Search};
use super::{Data, element, parameter, said};
use crate::client::Exchange;
use crate::context::Context;
use crate::result::{Step, Weight};
use crate::run::{Job, Recorder};
use crate::wire;

/// As many resources of a profile are read one by one.
const READS: usize = 5;
/// As many resources are searched for with each search.
const SOURCES: usize = 3;
/// As many references of one element are followed.
const FOLLOWED: usize = 20;
/// As many resources of a profile are validated.
const VALIDATED: usize = 200;

/// All tests of the profile with this index.
pub(super) fn jobs(context: &Arc<Context>, data: &Arc<Data>, index: usize) -> Vec<Job> {
    let Some(profile) = data.profile(index) else { return Vec::new() };
    let group = profile.name();
    let mut jobs = vec![
        job(context, data, index, &group, "The CapabilityStatement declares it", Weight::Should, Kind::Declared),
        job(context, data, index, &group, "The server has resources of it", Weight::Shall, Kind::Present),
    ];
    for (code, name) in [
        ("read", "Each can be read"),
        ("vread", "A version can be read"),
        ("history-instance", "Its history can be read"),
    ] {
        if let Some(weight) = profile.interaction(code).filter(|weight| *weight != Weight::May) {
            jobs.push(job(context, data, index, &group, name, weight, Kind::Read(code)));
        }
    }
    for (position, search) in profile.searches.iter().enumerate() {
        let name = format!("Search by {}", search.names.join(" and "));
        jobs.push(job(context, data, index, &group, &name, search.weight, Kind::Search(position)));
        if position == 0 {
            jobs.push(job(context, data, index, &group, &format!("{name}, by POST"), search.weight, Kind::Post));
        }
        for (parameter, prefix, weight) in comparators(profile, search) {
            let name = format!("{name}, {parameter} with {prefix}");
            jobs.push(job(context, data, index, &group, &name, weight, Kind::Comparator(position, parameter, prefix)));
        }
        for (parameter, weight) in several(profile, search, |parameter| parameter.multiple_or) {
            let name = format!("{name}, several values of {parameter}");
            jobs.push(job(context, data, index, &group, &name, weight, Kind::Or(position, parameter)));
        }
        for (parameter, weight) in several(profile, search, |parameter| parameter.multiple_and) {
            let name = format!("{name}, {parameter} twice");
            jobs.push(job(context, data, index, &group, &name, weight, Kind::And(position, parameter)));
        }
    }
    for include in &profile.revincludes {
        let name = format!("Search with _revinclude={include}");
        jobs.push(job(context, data, index, &group, &name, Weight::Shall, Kind::Revinclude(include.clone())));
    }
    jobs.push(job(
        context,
        data,
        index,
        &group,
        "Every must-support element is there",
        Weight::Shall,
        Kind::MustSupport,
    ));
    if !profile.references.is_empty() {
        jobs.push(job(
            context,
            data,
            index,
            &group,
            "References lead to what they may",
            Weight::Shall,
            Kind::References,
        ));
    }
    jobs.push(job(context, data, index, &group, "Each is valid against the profile", Weight::Shall, Kind::Valid));
    jobs
}

enum Kind {
    Declared,
    Present,
    Read(&'static str),
    Search(usize),
    Post,
    Comparator(usize, String, String),
    Or(usize, String),
    And(usize, String),
    Revinclude(String),
    MustSupport,
    References,
    Valid,
}

/// The comparators of a search's dates that the table does not leave open.
fn comparators(profile: &Profile, search: &Search) -> Vec<(String, String, Weight)> {
    let parameters = search.names.iter().filter_map(|name| profile.parameter(name)).filter(|one| is_date(one));
    parameters
        .flat_map(|parameter| {
            let wanted = parameter.comparators.iter().filter(|(_, weight)| *weight != Weight::May);
            wanted.map(|(prefix, weight)| (parameter.name.clone(), prefix.clone(), (*weight).max(search.weight)))
        })
        .collect()
}

/// The parameters of a search that have to be taken with several values, or several times.
fn several(profile: &Profile, search: &Search, asked: impl Fn(&Parameter) -> Option<Weight>) -> Vec<(String, Weight)> {
    let parameters = search.names.iter().filter_map(|name| profile.parameter(name));
    parameters
        .filter_map(|parameter| {
            let weight = asked(parameter)?;
            (weight != Weight::May).then(|| (parameter.name.clone(), weight.max(search.weight)))
        })
        .collect()
}

fn job(
    context: &Arc<Context>,
    data: &Arc<Data>,
    index: usize,
    group: &str,
    name: &str,
    weight: Weight,
    kind: Kind,
) -> Job {
    let (context, data) = (Arc::clone(context), Arc::clone(data));
    Job::test(group, name, weight, move |recorder| async move {
        let Some(profile) = data.profile(index) else { return };
        let test = Tested { context: &context, data: &data, profile, resources: data.resources(index), recorder };
        if test.resources.is_empty() && !matches!(kind, Kind::Declared | Kind::Present) {
            test.recorder.step(Step::skipped("data", "the server gave no resource of this profile"));
            return;
        }
        match kind {
            Kind::Declared => test.declared(),
            Kind::Present => test.present(index),
            Kind::Read(code) => test.read(code).await,
            Kind::Search(position) => test.search(position).await,
            Kind::Post => test.post().await,
            Kind::Comparator(position, name, prefix) => test.comparator(position, &name, &prefix).await,
            Kind::Or(position, name) => test.several(position, &name).await,
            Kind::And(position, name) => test.twice(position, &name).await,
            Kind::Revinclude(include) => test.revinclude(&include).await,
            Kind::MustSupport => test.must_support(),
            Kind::References => test.references().await,
            Kind::Valid => test.valid(),
        }
    })
}

struct Tested<'t> {
    context: &'t Context,
    data: &'t Data,
    profile: &'t Profile,
    resources: &'t [Json],
    recorder: Recorder,
}

type Query = Vec<(String, String)>;

impl Tested<'_> {
    fn declared(&self) {
        let resource = self
            .data
            .statement
            .items("rest")
            .iter()
            .flat_map(|rest| rest.items("resource"))
            .find(|one| one.text_at(&["type"]) == Some(self.profile.resource.as_str()));
        let Some(resource) = resource else {
            let expected = format!("{} in CapabilityStatement.rest.resource", self.profile.resource);
            self.recorder.step(Step::failed("resource type", expected, "it is not there"));
            return;
        };
        let has = |list: &str, member: &str, wanted: &str| {
            resource.items(list).iter().any(|one| {
                let text = if member.is_empty() { one.as_str() } else { one.text_at(&[member]) };
                text.and_then(|text| text.split('|').next()) == Some(wanted)
            })
        };
        let mut missing = Vec::new();
        if !self.profile.url.is_empty() && !has("supportedProfile", "", &self.profile.url) {
            missing.push(format!("supportedProfile {}", self.profile.url));
        }
        for (code, _) in self.profile.interactions.iter().filter(|(_, weight)| *weight == Weight::Shall) {
            if !has("interaction", "code", code) {
                missing.push(format!("interaction {code}"));
            }
        }
        let names: BTreeSet<&String> = self
            .profile
            .searches
            .iter()
            .filter(|search| search.weight == Weight::Shall)
            .flat_map(|search| &search.names)
            .collect();
        missing.extend(
            names
                .into_iter()
                .filter(|name| !has("searchParam", "name", name))
                .map(|name| format!("searchParam {name}")),
        );
        self.recorder.step(if missing.is_empty() {
            Step::passed("everything required is declared")
        } else {
            Step::failed("everything required is declared", missing.join(", "), "not declared")
        });
    }

    fn present(&self, index: usize) {
        for stranger in self.data.collected.strangers.get(index).into_iter().flatten() {
            let step = Step::failed("the search that collects them", "only resources that answer", &stranger.said);
            self.recorder.step(step.with(&stranger.exchange));
        }
        let count = self.resources.len();
        self.recorder.step(if count == 0 {
            let expected = "at least one, found by the required searches or by references";
            Step::failed("resources", expected, "none: add data, or name other patients")
        } else {
            Step { got: format!("{count} found"), ..Step::passed("resources") }
        });
    }

    async fn read(&self, code: &str) {
        for resource in self.resources.iter().take(READS) {
            let Some(id) = id(resource) else { continue };
            let path = format!("{}/{id}", self.profile.resource);
            let version = resource.text_at(&["meta", "versionId"]);
            let path = match (code, version) {
                ("read", _) => path,
                ("vread", Some(version)) => format!("{path}/_history/{version}"),
                ("vread", None) => {
                    self.recorder.step(Step::skipped(path, "no meta.versionId to read"));
                    continue;
                }
                _ => format!("{path}/_history"),
            };
            let exchange = self.context.get(&path).await;
            let body = exchange.answer.as_ref().ok().filter(|answer| answer.status == 200).and_then(wire::body);
            let same = |body: &Json| {
                body.text_at(&["resourceType"]) == Some(self.profile.resource.as_str())
                    && body.text_at(&["id"]) == Some(id.as_str())
            };
            let good = body.is_some_and(|body| {
                if code == "history-instance" {
                    let entries = body.items("entry");
                    body.text_at(&["type"]) == Some("history")
                        && entries.iter().filter_map(|entry| entry.get("resource")).any(same)
                } else {
                    let got = body.text_at(&["meta", "versionId"]);
                    same(&body) && (version.is_none() || got.is_none() || got == version)
                }
            });
            let name = format!("GET {path}");
            self.recorder.step(if good {
                Step::passed(name).with(&exchange)
            } else {
                let expected =
                    if code == "read" { "200 and this resource" } else { "200 and this version of the resource" };
                Step::failed(name, expected, said(&exchange)).with(&exchange)
            });
        }
    }

    /// A query that must find this resource: the most exact form of each value.
    fn query(&self, search: &Search, resource: &Json) -> Option<Query> {
        search
            .names
            .iter()
            .map(|name| {
                let parameter = self.profile.parameter(name)?;
                Some((name.clone(), queries(resource, parameter).into_iter().next()?))
            })
            .collect()
    }

    /// Resources that have a value for every parameter of the search, with the query for each.
    fn sources(&self, search: &Search) -> Vec<(&Json, Query)> {
        let found = self.resources.iter().filter_map(|resource| Some((resource, self.query(search, resource)?)));
        found.take(SOURCES).collect()
    }

    fn chosen(&self, position: usize) -> Option<(&Search, Vec<(&Json, Query)>)> {
        let search = self.profile.searches.get(position)?;
        let sources = self.sources(search);
        if sources.is_empty() {
            let why = format!("no resource has values for {}", search.names.join(" and "));
            self.recorder.step(Step::skipped("values", why));
            return None;
        }
        Some((search, sources))
    }

    async fn search(&self, position: usize) {
        let Some((search, sources)) = self.chosen(position) else { return };
        for (number, (resource, query)) in sources.iter().enumerate() {
            self.one(query, Some(resource), false).await;
            if number > 0 {
                continue;
            }
            // The other forms of each value: with and without system, with and without type.
            for (place, name) in search.names.iter().enumerate() {
                let forms = self.profile.parameter(name).map(|one| queries(resource, one)).unwrap_or_default();
                for form in forms.into_iter().skip(1) {
                    let mut query = query.clone();
                    if let Some(pair) = query.get_mut(place) {
                        pair.1 = form;
                    }
                    self.one(&query, Some(resource), false).await;
                }
            }
        }
    }

    async fn post(&self) {
        let Some((_, sources)) = self.chosen(0) else { return };
        if let Some((resource, query)) = sources.first() {
            self.one(query, Some(resource), true).await;
        }
    }

    async fn comparator(&self, position: usize, name: &str, prefix: &str) {
        let Some((_, sources)) = self.chosen(position) else { return };
        for (resource, query) in &sources {
            let mut query = query.clone();
            let Some(pair) = query.iter_mut().find(|(known, _)| known == name) else { return };
            let Some(value) = shifted(&pair.1, prefix) else { continue };
            pair.1 = value;
            self.one(&query, Some(resource), false).await;
        }
    }

    /// Two values of one parameter, from two resources or from the table: what either finds must be found.
    async fn several(&self, position: usize, name: &str) {
        let Some((_, sources)) = self.chosen(position) else { return };
        let Some(((resource, query), parameter)) = sources.first().zip(self.profile.parameter(name)) else { return };
        let mut query = query.clone();
        let Some(pair) = query.iter_mut().find(|(known, _)| known == name) else { return };
        let other = self.resources.iter().filter_map(|other| queries(other, parameter).into_iter().next());
        let other = other
            .chain(parameter.values.iter().cloned())
            // A value that nothing has: what the other finds has to be found none the less. A closed list of codes has
            // no such value.
            .chain((parameter.kind == "CodeableConcept").then(|| "no-resource-has-this".to_owned()))
            .find(|value| !pair.1.ends_with(value.rsplit('|').next().unwrap_or_default()));
        let Some(other) = other else {
            self.recorder.step(Step::skipped("values", format!("there is only one value of {name}")));
            return;
        };
        pair.1 = format!("{},{other}", pair.1);
        self.one(&query, Some(resource), false).await;
    }

    /// One parameter twice: what is found has to answer both. A date between two others, else two values of one resource.
    async fn twice(&self, position: usize, name: &str) {
        let Some((_, sources)) = self.chosen(position) else { return };
        let Some(parameter) = self.profile.parameter(name) else { return };
        for (resource, query) in &sources {
            let Some((_, value)) = query.iter().find(|(known, _)| known == name) else { return };
            let pair = if is_date(parameter) {
                shifted(value, "ge").zip(shifted(value, "le"))
            } else {
                let mut values = parameter::every(resource, parameter).into_iter();
                values.next().zip(values.next())
            };
            let Some((first, second)) = pair else { continue };
            let mut query = query.clone();
            query.retain(|(known, _)| known != name);
            query.extend([(name.to_owned(), first), (name.to_owned(), second)]);
            self.one(&query, Some(resource), false).await;
            return;
        }
        self.recorder.step(Step::skipped("values", format!("no resource has two values of {name}")));
    }

    /// Searches, and looks that all that is found answers and that the resource the values came from is found.
    async fn one(&self, query: &Query, wanted: Option<&Json>, post: bool) -> Vec<Json> {
        let text: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let how = if post { "POST _search" } else { "GET" };
        let name = format!("{how} {}?{}", self.profile.resource, text.join("&"));
        let found = collect::search(self.context, &self.profile.resource, query, post).await;
        let expected = "200, a Bundle of type searchset, only resources that answer, the known one among them";
        let step = match (&found.problem, collect::stranger(self.profile, query, &found.matches)) {
            (Some(problem), _) => Step::failed(name, expected, problem),
            (None, Some(stranger)) => Step::failed(name, expected, stranger),
            (None, None) => {
                let known = wanted.and_then(id);
                let there = found.matches.iter().any(|resource| id(resource) == known);
                if known.is_none() || there {
                    Step::passed(name)
                } else {
                    let got = format!(
                        "{} found, {}/{} is not among them",
                        found.matches.len(),
                        self.profile.resource,
                        known.unwrap_or_default()
                    );
                    Step::failed(name, expected, got)
                }
            }
        };
        self.recorder.step(step.with(&found.exchange));
        found.included
    }

    async fn revinclude(&self, include: &str) {
        let kind = include.split(':').next().unwrap_or_default();
        let search = self.profile.searches.iter().position(|search| search.weight == Weight::Shall).unwrap_or_default();
        let Some((_, sources)) = self.chosen(search) else { return };
        let mut included = Vec::new();
        for (resource, query) in &sources {
            let mut query = query.clone();
            query.push(("_revinclude".to_owned(), include.to_owned()));
            included.extend(self.one(&query, Some(resource), false).await);
        }
        let name = format!("a {kind} is included");
        if included.iter().any(|resource| resource.text_at(&["resourceType"]) == Some(kind)) {
            self.recorder.step(Step::passed(name));
            return;
        }
        // Nothing included is only wrong if there is something to include.
        let parameter = include.split(':').nth(1).unwrap_or_default().to_owned();
        let mut exchange: Option<Arc<Exchange>> = None;
        for (resource, _) in &sources {
            let target = format!("{}/{}", self.profile.resource, id(resource).unwrap_or_default());
            let found = collect::search(self.context, kind, &[(parameter.clone(), target)], false).await;
            if !found.matches.is_empty() {
                exchange = Some(found.exchange);
                break;
            }
        }
        self.recorder.step(match exchange {
            Some(exchange) => {
                Step::failed(name, format!("the {kind} that refers to it"), "none included").with(&exchange)
            }
            None => Step::skipped(name, format!("the server has no {kind} of these resources")),
        });
    }

    fn must_support(&self) {
        let missing = element::missing(self.profile, self.resources);
        let name = format!("in {} resources", self.resources.len());
        if missing.is_empty() {
            self.recorder.step(Step::passed(&name));
        }
        for element in missing {
            self.recorder.step(Step::failed(&name, format!("{element} in at least one resource"), "in none"));
        }
    }

    async fn references(&self) {
        for (path, allowed) in &self.profile.references {
            for reference in collect::references(self.resources, path).into_iter().take(FOLLOWED) {
                let Some((kind, id)) = collect::local(&reference) else { continue };
                let name = format!("{path} leads to {kind}/{id}");
                let types: Vec<&str> = allowed.iter().filter_map(|target| self.type_of(target)).collect();
                // A profile that no table names: its type is not known here, so that any type may be right.
                let known = types.len() == allowed.len() && !types.contains(&"Resource");
                if known && !types.contains(&kind) {
                    self.recorder.step(Step::failed(name, types.join(" or "), kind));
                    continue;
                }
                let exchange = self.context.get(&format!("{kind}/{id}")).await;
                let body = exchange.answer.as_ref().ok().filter(|answer| answer.status == 200).and_then(wire::body);
                let same = body.is_some_and(|body| body.text_at(&["resourceType"]) == Some(kind));
                self.recorder.step(if same {
                    Step::passed(name).with(&exchange)
                } else {
                    Step::failed(name, format!("200 and a {kind}"), said(&exchange)).with(&exchange)
                });
            }
        }
        if self.recorder.outcome() == crate::result::Outcome::Skipped {
            self.recorder.step(Step::skipped("references", "no resource refers to another on this server"));
        }
    }

    /// The resource type of a profile: of the specification's own by name, of others by the tables.
    fn type_of<'a>(&'a self, profile: &'a str) -> Option<&'a str> {
        let of_table = self.data.profiles.iter().find(|known| known.url == profile);
        of_table
            .map(|known| known.resource.as_str())
            .or_else(|| profile.strip_prefix("http://hl7.org/fhir/StructureDefinition/"))
            // Profiles of the specification stand beside its types: `vitalsigns` is no type.
            .filter(|name| *name == "Resource" || model::types::r4().resource(name).is_some())
    }

    fn valid(&self) {
        let Some(validate) = &self.context.validate else {
            self.recorder.step(Step::skipped("profile", "no validator here"));
            return;
        };
        if !self.profile.url.is_empty() && !validate.knows(&self.profile.url) {
            let why = format!("no definition of {} here: name its guide with --ig or --package", self.profile.url);
            self.recorder.step(Step::skipped("profile", why));
            return;
        }
        let profiles = std::slice::from_ref(&self.profile.url);
        let profiles = if self.profile.url.is_empty() { &[] } else { profiles };
        for resource in self.resources.iter().take(VALIDATED) {
            let name = format!("{}/{}", self.profile.resource, id(resource).unwrap_or_default());
            let issues = validate.issues(resource, profiles);
            let errors: Vec<String> =
                issues.iter().filter(|one| one.is_error()).take(3).map(ToString::to_string).collect();
            self.recorder.step(if errors.is_empty() {
                Step::passed(name)
            } else {
                Step::failed(name, format!("valid against {}", self.profile.url), errors.join("; "))
            });
        }
    }
}
