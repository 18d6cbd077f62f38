//! The engine: walks a resource of one version and makes that of the other.

mod coerce;
mod emit;
mod homeless;
mod inner;
mod keep;
mod object;
mod place;
mod put;
mod reference;
mod require;
mod value;

use std::collections::HashMap;

use model::json::{Json, Object};
use model::outcome::Issue;
use smol_str::SmolStr;

use crate::account::{Entry, Loss};
use crate::rows::{Map, Target};
use crate::version::Version;
use place::{Place, Spot};

/// How much is said beside the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether [`Converted::loss`] is filled; costs as much again as the conversion.
    pub account: bool,
}

/// A resource of the other version.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The resource; a Bundle is converted entry by entry.
    pub resource: Json,
    /// What somebody should look at.
    pub issues: Vec<Issue>,
    /// What became of each piece, if asked for.
    pub loss: Loss,
}

/// Why nothing was converted. The sender's fault; never quotes content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// No object with a `resourceType`.
    #[error("expected a FHIR resource: an object with a resourceType")]
    NoResource,
    /// A type that the version does not have.
    #[error("expected a resource type of {version}")]
    Type {
        /// The version.
        version: Version,
    },
    /// One of the two has to be R4, and nothing is made for DSTU2.
    #[error("there is no conversion from {from} to {to}")]
    Pair {
        /// The version at hand.
        from: Version,
        /// The version asked for.
        to: Version,
    },
}

/// Converts a resource between R4 and another version.
///
/// From a version to itself gives the resource as it is. Between two others go by R4.
///
/// # Errors
/// [`Refused`] if it is no resource of `from`, or if there is no way to `to`. All else gives a result with issues.
pub fn convert(resource: &Json, from: Version, to: Version, options: &Options) -> Result<Converted, Refused> {
    let kind = resource.text_at(&["resourceType"]).ok_or(Refused::NoResource)?;
    if from.table().resource(kind).is_none() {
        return Err(Refused::Type { version: from });
    }
    if from == to {
        return Ok(Converted { resource: resource.clone(), issues: Vec::new(), loss: Loss::default() });
    }
    if to == Version::Dstu2 {
        return Err(Refused::Pair { from, to });
    }
    let map = Map::between(from, to).ok_or(Refused::Pair { from, to })?;
    let mut run = Run::new(map, options.account);
    run.entries(resource);
    let place = Place::Root(kind);
    let target = run.target_type(resource, kind);
    let spot = Spot::root(options.account, target, resource.text_at(&["id"]));
    let resource = run.resource(resource, &place, &spot).ok_or(Refused::NoResource)?;
    Ok(Converted { resource, issues: run.issues, loss: run.loss })
}

/// What a piece that is met ends as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Mapped,
    Kept,
    /// It is told elsewhere.
    Silent,
}

/// One conversion under way.
struct Run {
    map: &'static Map,
    account: bool,
    fate: Fate,
    /// The row at work.
    rule: Option<SmolStr>,
    loss: Loss,
    issues: Vec<Issue>,
    /// Full URLs of entries whose type is renamed, with what they become.
    renamed: HashMap<SmolStr, SmolStr>,
    /// Types of entries by full URL and of contained resources by `#id`.
    types: HashMap<SmolStr, SmolStr>,
    /// Values for elements above the object at hand.
    pending: Vec<Pending>,
}

struct Pending {
    target: Target,
    out: put::Out,
}

impl Run {
    fn new(map: &'static Map, account: bool) -> Self {
        Self {
            map,
            account,
            fate: Fate::Mapped,
            rule: None,
            loss: Loss::default(),
            issues: Vec::new(),
            renamed: HashMap::new(),
            types: HashMap::new(),
            pending: Vec::new(),
        }
    }

    /// A resource whose `resourceType` may be anything.
    fn resource(&mut self, resource: &Json, place: &Place<'_>, spot: &Spot) -> Option<Json> {
        let object = resource.as_object()?;
        let kind = object.get("resourceType").and_then(Json::as_str)?;
        let Some((from, _)) = self.map.from.find(kind).filter(|(_, shape)| shape.is_resource) else {
            let text = format!("expected a resource type of {}: taken over as it stands", self.map.from_version);
            self.issues.push(Issue::error("not-supported", text).at(place.to_string()));
            self.all(resource, place, spot);
            return Some(resource.clone());
        };
        let outer = self.enter(object);
        let target = SmolStr::new(self.target_type(resource, kind));
        let is_basic = target == "Basic" && kind != "Basic";
        let is_restored = kind == "Basic" && target != "Basic";
        let (to, _) = self.map.to.find(&target)?;
        let mut out = Object::new();
        out.insert("resourceType", target.clone());
        self.leaf(&place.member("resourceType", None), &spot.member("resourceType", None));
        let rest: Object;
        let mut source = object;
        if is_basic {
            out.insert("code", basic_code(kind));
            let text = format!("{} has no {kind}: kept in a Basic resource", self.map.to_version);
            self.issues.push(Issue::warning("informational", text).at(place.to_string()));
        }
        if is_restored {
            // What Basic needs of its own was made for it.
            let is_own =
                |name: &str| matches!(name, "code" | "subject") && !has_own(object, self.map.to_version, &target, name);
            let (own, others): (Vec<_>, Vec<_>) = object.clone().into_iter().partition(|(name, _)| is_own(name));
            for (name, value) in own {
                self.all(&value, &place.member(&name, None), &Spot::root(self.account, &target, None));
            }
            rest = others.into_iter().collect();
            source = &rest;
        }
        self.fill(source, from, &mut object::Into_ { id: to, object: &mut out, spot }, place);
        if is_basic {
            add_subject(object, &mut out);
        }
        self.leave(outer);
        let mut out = put::tidy(out, self.map.to.shape(to));
        self.require(to, &mut out, &Place::Root(&target));
        Some(Json::Object(out))
    }

    /// The type a resource gets.
    fn target_type<'r>(&self, resource: &'r Json, kind: &'r str) -> &'r str
    where
        Self: 'r,
    {
        let map = self.map;
        if kind == "Basic" {
            let codings = resource.get("code").map(|code| code.items("coding")).unwrap_or_default();
            let code = codings
                .iter()
                .find(|coding| coding.text_at(&["system"]) == Some(TYPES))
                .and_then(|c| c.text_at(&["code"]));
            if let Some(code) =
                code.filter(|code| map.to.resource(code).is_some() && map.type_of("Basic") == Some("Basic"))
            {
                return code;
            }
        }
        map.type_of(kind).unwrap_or("Basic")
    }

    /// Counts a piece.
    fn leaf(&mut self, place: &Place<'_>, spot: &Spot) {
        if !self.account || self.fate == Fate::Silent {
            return;
        }
        let entry = Entry {
            at: place.to_string(),
            to: spot.text().to_owned(),
            rule: self.rule.as_ref().map(ToString::to_string),
        };
        match self.fate {
            Fate::Kept => self.loss.kept.push(entry),
            _ => self.loss.mapped.push(entry),
        }
    }

    /// Counts every piece of a value as one that stands at the same place.
    fn all(&mut self, value: &Json, place: &Place<'_>, spot: &Spot) {
        place::leaves(value, place, &mut |place| self.leaf(place, spot));
    }

    /// Counts every piece of a value as dropped.
    fn drop(&mut self, value: &Json, place: &Place<'_>, why: &str) {
        if self.account && self.fate != Fate::Silent {
            let rule = self.rule.as_ref().map(ToString::to_string);
            place::leaves(value, place, &mut |place| {
                let entry = Entry { at: place.to_string(), to: why.to_owned(), rule: rule.clone() };
                self.loss.dropped.push(entry);
            });
        }
    }

    /// Does something with another fate.
    fn with_fate<T>(&mut self, fate: Fate, work: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.fate;
        if outer != Fate::Silent {
            self.fate = fate;
        }
        let result = work(self);
        self.fate = outer;
        result
    }
}

/// The code system of resource types in a Basic that stands for another type. FHIR R5 versions.html names no other.
const TYPES: &str = "http://hl7.org/fhir/fhir-types";

fn basic_code(kind: &str) -> Json {
    let coding = Object::of([("system", Json::from(TYPES)), ("code", Json::from(kind))]);
    Json::Object(Object::of([("coding", Json::array([Json::Object(coding)]))]))
}

/// Whose record it is: so that access to the Basic is decided as for what it stands for.
fn add_subject(source: &Object, out: &mut Object) {
    if out.contains_key("subject") {
        return;
    }
    let names = ["subject", "patient", "for", "beneficiary", "candidate", "individual"];
    let found = names.iter().filter_map(|name| source.get(name)).find(|value| value.get("reference").is_some());
    if let Some(reference) = found.and_then(|value| value.get("reference")) {
        out.insert("subject", Json::Object(Object::of([("reference", reference.clone())])));
    }
}

/// Whether an element of a type that Basic stands for is kept in an extension, so that Basic's own is not it.
fn has_own(basic: &Object, version: Version, target: &str, name: &str) -> bool {
    let _ = (basic, name);
    // Basic's `subject` is the type's own where the type has one.
    name == "subject" && version.table().resource(target).is_some_and(|shape| shape.find("subject").is_some())
}
