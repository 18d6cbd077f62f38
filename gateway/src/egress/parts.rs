//! The Bundles that a FHIR partner gets: how each resource is written, and how much goes at a time.
//!
//! Whatever is sent may be sent again: an answer can be lost after the partner has taken it. So a resource is always
//! written under something that stays the same: our id, or an identifier of its own, or a tag that we give it.

use std::collections::{HashMap, HashSet};

use model::bundle::{Request, batch, transaction};
use model::id::uuid_v5;
use model::json::Json;
use model::resource::{id, reference_to, references, resource_type, rewrite_references};
use uuid::Uuid;

use crate::config::{DestinationFhir, Oversize, Posted, Writes};

/// System of the tag by which a resource without an identifier of its own is found again.
pub(crate) const TAG_SYSTEM: &str = "urn:anchorline:resource";

/// Longest chain of references that is put in order.
const DEEPEST: usize = 64;

/// Larger than the partner takes, and not to be divided, or not further.
pub(super) const TOO_LARGE: &str =
    "larger than the partner takes in one Bundle; oversize = \"split\" sends several, one resource at the least";

/// The texts of the Bundles for these resources, in the order in which they have to be sent. The same resources and
/// limits give the same bytes.
///
/// # Errors
/// One sentence for the delivery.
pub(super) fn parts(
    namespace: &Uuid,
    resources: Vec<Json>,
    fhir: &DestinationFhir,
    most_bytes: usize,
) -> Result<Vec<Vec<u8>>, &'static str> {
    let bundled = |requests: Vec<Request>| match fhir.posted {
        Posted::Transaction => transaction(requests).to_bytes(),
        Posted::Batch => batch(requests).to_bytes(),
    };
    let resources = latest(resources)?;
    let names = Names::new(namespace, &resources, fhir.writes)?;
    let everything: HashSet<String> = names.order.iter().cloned().collect();
    let whole: Vec<Request> = resources.iter().map(|resource| names.request(resource, &everything)).collect();
    let entries = whole.len();
    let whole = bundled(whole);
    let most_bytes = most_bytes.min(fhir.most_bytes);
    if whole.len() <= most_bytes && entries <= fhir.most_entries {
        return Ok(vec![whole]);
    }
    if fhir.oversize == Oversize::Refuse {
        return Err(TOO_LARGE);
    }
    let (mut parts, nothing) = (Vec::new(), HashSet::new());
    let mut part: Vec<&Json> = Vec::new();
    // What is before the entries and behind them, with room to spare.
    let frame = bundled(Vec::new()).len().saturating_add(32);
    let mut size = frame;
    for resource in in_order(&resources) {
        // A reference is written in one of two ways, by whether its target is in the same part: the longer counts.
        let [near, far] = [&everything, &nothing].map(|here| bundled(vec![names.request(resource, here)]).len());
        let alone = near.max(far);
        if alone > most_bytes {
            return Err(TOO_LARGE);
        }
        if !part.is_empty() && (size.saturating_add(alone) > most_bytes || part.len() >= fhir.most_entries) {
            parts.push(bundled(names.requests(&part)));
            part.clear();
            size = frame;
        }
        size = size.saturating_add(alone);
        part.push(resource);
    }
    if !part.is_empty() {
        parts.push(bundled(names.requests(&part)));
    }
    Ok(parts)
}

/// Each resource once: an exchange that was replayed has several versions of it, and no transaction may write one twice.
fn latest(resources: Vec<Json>) -> Result<Vec<Json>, &'static str> {
    let mut at: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Json> = Vec::with_capacity(resources.len());
    for resource in resources {
        let reference = reference_to(&resource).ok_or("a resource without type or id")?.to_string();
        match at.get(&reference).and_then(|index| kept.get_mut(*index)) {
            Some(earlier) => *earlier = resource,
            None => {
                at.insert(reference, kept.len());
                kept.push(resource);
            }
        }
    }
    Ok(kept)
}

/// How each resource is known: to us, within a Bundle, and to the partner.
struct Names {
    writes: Writes,
    /// `Type/id` of all, in their order.
    order: Vec<String>,
    known: HashMap<String, Name>,
}

struct Name {
    /// Where it is known within one Bundle.
    full_url: String,
    /// `Type`, and the criteria that find it at the partner.
    criteria: String,
    /// The tag that the criteria ask for, if they do.
    tag: Option<String>,
}

impl Names {
    fn new(namespace: &Uuid, resources: &[Json], writes: Writes) -> Result<Self, &'static str> {
        let mut found: HashMap<(String, String), usize> = HashMap::new();
        for resource in resources {
            if let (Some(kind), Some(identifier)) = (resource_type(resource), identifier(resource)) {
                *found.entry((kind.to_owned(), identifier)).or_default() += 1;
            }
        }
        let mut names = Self { writes, order: Vec::new(), known: HashMap::new() };
        for resource in resources {
            let reference = reference_to(resource).ok_or("a resource without type or id")?.to_string();
            let kind = resource_type(resource).unwrap_or_default();
            let uuid = uuid_v5(namespace, &["resource", &reference]);
            // An identifier that two resources share would make one of the other.
            let own = identifier(resource).filter(|it| found.get(&(kind.to_owned(), it.clone())) == Some(&1));
            let (criteria, tag) = match own {
                Some(identifier) => (format!("identifier={}", encoded(&identifier)), None),
                None => (format!("_tag={}", encoded(&format!("{TAG_SYSTEM}|{uuid}"))), Some(uuid.to_string())),
            };
            names.order.push(reference.clone());
            names.known.insert(reference, Name { full_url: format!("urn:uuid:{uuid}"), criteria, tag });
        }
        Ok(names)
    }

    fn requests(&self, part: &[&Json]) -> Vec<Request> {
        let here: HashSet<String> =
            part.iter().filter_map(|resource| reference_to(resource)).map(|it| it.to_string()).collect();
        part.iter().map(|resource| self.request(resource, &here)).collect()
    }

    /// The entry of a resource in a Bundle that holds `here`.
    fn request(&self, resource: &Json, here: &HashSet<String>) -> Request {
        let kind = resource_type(resource).unwrap_or_default().to_owned();
        let reference = format!("{kind}/{}", id(resource).unwrap_or_default());
        let mut resource = resource.clone();
        let plain =
            |method, url| Request { full_url: None, resource: None, method, url, if_match: None, if_none_exist: None };
        let Some(name) = self.known.get(&reference).filter(|_| self.writes != Writes::Update) else {
            return Request { resource: Some(resource), ..plain("PUT", reference) };
        };
        // The partner gives its own ids: what refers to one of these is told by the Bundle, or by what finds it there.
        rewrite_references(&mut resource, &mut |target| {
            let other = self.known.get(target)?;
            let kind = target.split('/').next().unwrap_or_default();
            Some(if here.contains(target) { other.full_url.clone() } else { format!("{kind}?{}", other.criteria) })
        });
        if let Some(object) = resource.as_object_mut() {
            object.remove("id");
            if let Some(tag) = &name.tag {
                let meta = object.get_or_insert_with("meta", || Json::Object(model::json::Object::new()));
                if let Some(meta) = meta.as_object_mut() {
                    let ours = Json::object([("system", Json::from(TAG_SYSTEM)), ("code", Json::from(tag.as_str()))]);
                    let tags = meta.get_or_insert_with("tag", || Json::Array(Vec::new()));
                    if let Some(tags) = tags.as_array_mut() {
                        tags.push(ours);
                    }
                }
            }
        }
        let full_url = Some(name.full_url.clone());
        match self.writes {
            Writes::Create => Request {
                full_url,
                resource: Some(resource),
                if_none_exist: Some(name.criteria.clone()),
                ..plain("POST", kind)
            },
            Writes::Update | Writes::Conditional => {
                Request { full_url, resource: Some(resource), ..plain("PUT", format!("{kind}?{}", name.criteria)) }
            }
        }
    }
}

/// `system|value` of the first identifier that has both, escaped as a search value. FHIR R4 search.html, "Escaping Search
/// Parameters".
fn identifier(resource: &Json) -> Option<String> {
    let given = resource.get("identifier")?;
    let mut all = given.as_array().unwrap_or(std::slice::from_ref(given)).iter();
    all.find_map(|one| {
        let text = |name| one.text_at(&[name]).map(str::trim).filter(|text| !text.is_empty());
        let (system, value) = (text("system")?, text("value")?);
        Some(format!("{}|{}", escaped(system), escaped(value)))
    })
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '|' | ',' | '$') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// Percent-encoded as the value of a query.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// What others refer to comes before them; as given, where there is no need or no such order.
fn in_order(resources: &[Json]) -> Vec<&Json> {
    let at: HashMap<String, usize> = resources
        .iter()
        .enumerate()
        .filter_map(|(index, resource)| Some((reference_to(resource)?.to_string(), index)))
        .collect();
    let needs: Vec<Vec<usize>> = resources
        .iter()
        .map(|resource| references(resource).filter_map(|found| at.get(found.target).copied()).collect())
        .collect();
    let mut placed = vec![false; resources.len()];
    let mut ordered = Vec::with_capacity(resources.len());
    // A round that places nothing leaves circles alone, which are then taken as given, and so is what hangs together deeper.
    for _ in 0..DEEPEST {
        let before = ordered.len();
        for (index, resource) in resources.iter().enumerate() {
            let is_placed = |index: &usize| placed.get(*index).copied().unwrap_or(true);
            let ready = needs.get(index).is_none_or(|needs| needs.iter().all(|need| *need == index || is_placed(need)));
            if !is_placed(&index) && ready {
                if let Some(placed) = placed.get_mut(index) {
                    *placed = true;
                }
                ordered.push(resource);
            }
        }
        if ordered.len() == before {
            break;
        }
    }
    let rest = resources.iter().enumerate().filter(|(index, _)| placed.get(*index) == Some(&false));
    ordered.extend(rest.map(|(_, resource)| resource));
    ordered
}

#[cfg(test)]
mod tests;
