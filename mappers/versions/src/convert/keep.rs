//! Extensions that hold elements of another version, and the way back out of them.

use model::json::{Json, Object};
use model::types::{Element, Kind, Shape, Type};
use smol_str::SmolStr;

use super::emit::value_name;
use super::object::{Into_, Item, Of, items};
use super::put::{self, Out};
use super::{Fate, Place, Run, Spot};

/// Says of which type a value is that is written out part by part. FHIR R5 extensions, "_datatype".
const DATATYPE: &str = "http://hl7.org/fhir/StructureDefinition/_datatype";

impl Run {
    /// Keeps a value that has no home in an extension of the object at hand.
    pub(super) fn keep(&mut self, item: Item<'_>, of: Of, into: &mut Into_<'_>, at: &Place<'_>) {
        self.keep_as(item, of, of.element.is_modifier, into, at);
    }

    /// The same; `is_modifier`: in one that nobody may pass over.
    pub(super) fn keep_as(&mut self, item: Item<'_>, of: Of, is_modifier: bool, into: &mut Into_<'_>, at: &Place<'_>) {
        let url = format!("{}{}", self.map.from_version.extension_base(), of.path());
        let packed = self.with_fate(Fate::Silent, |run| run.pack(item, &url, of, at, &Spot::root(false, "", None)));
        self.add_extension(packed, item, is_modifier, into, at);
    }

    /// An extension that holds a value: as its value if the version at hand has the type, else part by part.
    pub(super) fn pack(&mut self, item: Item<'_>, url: &str, of: Of, at: &Place<'_>, spot: &Spot) -> Option<Object> {
        let mut extension = Object::of([("url", Json::from(url))]);
        let name = of.of_type.name;
        let shape = self.map.to.find("Extension").map(|(_, shape)| shape)?;
        match of.of_type.kind {
            Kind::Primitive(from) => {
                let known = shape.find(&value_name(name)).and_then(|(_, _, of_type)| match of_type.kind {
                    Kind::Primitive(into) => Some(into),
                    _ => None,
                });
                let fits = match (known, item.value) {
                    (Some(into), Some(value)) => {
                        super::coerce::scalar(value, from, into).is_some() && is_sound(value, name)
                    }
                    (known, _) => known.is_some(),
                };
                let slot = if fits { value_name(name) } else { SmolStr::new_static("valueString") };
                if let Some(value) = item.value {
                    let text = super::object::lexeme(value);
                    extension.insert(slot.clone(), if fits { value.clone() } else { Json::String(text) });
                }
                if let Some(companion) = item.companion {
                    let companion = self.companion(companion, at, spot);
                    extension.insert(smol_str::format_smolstr!("_{slot}"), companion);
                }
            }
            Kind::Resource => return None,
            Kind::Object(from) | Kind::Reference(from, _) => {
                let object = item.value?.as_object()?;
                let inner = self.map.from.shape(from);
                let slot = value_name(name);
                let known = shape.find(&slot).filter(|_| !inner.path.contains('.') && inner.path == name);
                match known.map(|(_, _, of_type)| of_type.kind) {
                    Some(Kind::Object(to) | Kind::Reference(to, _)) => {
                        let object = self.object(object, from, to, at, spot);
                        extension.insert(slot, object);
                    }
                    _ => self.pack_parts(object, inner, of, &mut extension, at, spot)?,
                }
            }
        }
        Some(extension)
    }

    fn pack_parts(
        &mut self,
        object: &Object,
        shape: &'static Shape,
        of: Of,
        extension: &mut Object,
        at: &Place<'_>,
        spot: &Spot,
    ) -> Option<()> {
        let mut parts = Vec::new();
        if of.element.is_choice {
            parts.push(Json::Object(Object::of([
                ("url", Json::from(DATATYPE)),
                ("valueString", Json::from(of.of_type.name)),
            ])));
        }
        for (name, value) in object.iter() {
            let bare = match name.strip_prefix('_') {
                Some(bare) if object.contains_key(bare) => continue,
                Some(bare) => bare,
                None => name,
            };
            if bare == "id" {
                extension.insert("id", value.clone());
                continue;
            }
            let companion = object.get(&format!("_{bare}"));
            let own = if name.starts_with('_') { None } else { Some(value) };
            let Some((_, element, of_type)) = shape.find(bare) else {
                parts.extend(
                    items(own, companion).into_iter().filter_map(|item| guess(item.value?, bare).map(Json::Object)),
                );
                continue;
            };
            for item in items(own, companion) {
                let place = at.member(element.name, item.index);
                let is_extension = bare == "extension";
                let (Some(value), true) = (item.value, is_extension) else {
                    let inner = Of { shape, element, of_type };
                    parts.extend(self.pack(item, element.name, inner, &place, spot).map(Json::Object));
                    continue;
                };
                parts.extend(self.extension(value, &place, spot).map(Json::Object));
            }
        }
        // An extension without a value needs at least one inside; an empty object says nothing.
        (!parts.is_empty()).then(|| drop(extension.insert("extension", Json::Array(parts))))
    }

    /// An ordinary extension.
    fn extension(&mut self, value: &Json, at: &Place<'_>, spot: &Spot) -> Option<Object> {
        let (from, _) = self.map.from.find("Extension")?;
        let (to, _) = self.map.to.find("Extension")?;
        value.as_object().map(|object| self.object(object, from, to, at, spot))
    }

    /// Reads extensions that hold single values of the target's own version; the indexes of those that were used.
    pub(super) fn unpack_single(
        &mut self,
        source: &Object,
        into: &mut Into_<'_>,
        place: &Place<'_>,
    ) -> Vec<(bool, usize)> {
        let mut used = Vec::new();
        for (is_modifier, name) in [(false, "extension"), (true, "modifierExtension")] {
            for (index, extension) in list(source, name).iter().enumerate() {
                if self.unpack(extension, true, into, &place.member(name, Some(index))) {
                    used.push((is_modifier, index));
                }
            }
        }
        used
    }

    /// The other extensions: those that hold further values of the target's version, and all else as it stands.
    pub(super) fn extensions(
        &mut self,
        source: &Object,
        used: &[(bool, usize)],
        into: &mut Into_<'_>,
        place: &Place<'_>,
    ) {
        for (is_modifier, name) in [(false, "extension"), (true, "modifierExtension")] {
            for (index, extension) in list(source, name).iter().enumerate() {
                let at = place.member(name, Some(index));
                if used.contains(&(is_modifier, index)) || self.unpack(extension, false, into, &at) {
                    continue;
                }
                let shape = self.map.to.shape(into.id);
                let name = if shape.find(name).is_some() { name } else { "extension" };
                if shape.find(name).is_none() {
                    self.drop(extension, &at, "no place for an extension");
                    continue;
                }
                let spot = into.spot.member(name, Some(put::count(into.object, name)));
                if let Some(extension) = self.extension(extension, &at, &spot) {
                    let _ = put::put(self.map.to, into.object, shape, &[SmolStr::new(name)], Out::of(extension.into()));
                }
            }
        }
    }

    /// Puts what an extension holds of the target's version where it belongs; whether it did.
    fn unpack(&mut self, extension: &Json, is_single: bool, into: &mut Into_<'_>, at: &Place<'_>) -> bool {
        let map = self.map;
        let shape = map.to.shape(into.id);
        let Some(path) = extension.text_at(&["url"]).and_then(|url| url.strip_prefix(map.to_version.extension_base()))
        else {
            return false;
        };
        let Some(rest) = path.strip_prefix(shape.path.as_str()).and_then(|rest| rest.strip_prefix('.')) else {
            return false;
        };
        let mut steps: Vec<SmolStr> = rest.split('.').map(SmolStr::new).collect();
        let Some(last) = steps.pop() else { return false };
        let Some(holder) = put::descend(map.to, shape, &steps) else { return false };
        let Some(element) = holder.elements.iter().find(|element| element.name == last.as_str()) else { return false };
        if is_single == element.repeats() {
            return false;
        }
        let Some(object) = extension.as_object() else { return false };
        let Some((name, out)) = self.with_fate(Fate::Silent, |run| run.decode(object, element, at)) else {
            return false;
        };
        steps.push(name);
        if put::put(map.to, into.object, shape, &steps, out).is_err() {
            return false;
        }
        let mut spot = into.spot.clone();
        for step in &steps {
            spot = spot.member(step, None);
        }
        self.all(extension, at, &spot.whole());
        true
    }

    /// The value that an extension holds for an element of the target, with its JSON name.
    pub(super) fn decode(
        &mut self,
        extension: &Object,
        element: &'static Element,
        at: &Place<'_>,
    ) -> Option<(SmolStr, Out)> {
        let map = self.map;
        let (_, own) = map.from.find("Extension")?;
        let spot = Spot::root(false, "", None);
        let value = extension
            .iter()
            .map(|(name, _)| name.strip_prefix('_').unwrap_or(name))
            .find(|name| name.starts_with("value"));
        if let Some(name) = value {
            let (_, of_element, of_type) = own.find(name)?;
            let item = Item {
                value: extension.get(name),
                companion: extension.get(&format!("_{name}")).and_then(Json::as_object),
                index: None,
            };
            let of = Of { shape: own, element: of_element, of_type };
            return self.typed(item, of, element, at, &spot);
        }
        let parts = list(extension, "extension");
        let said = parts
            .iter()
            .find(|part| part.text_at(&["url"]) == Some(DATATYPE))
            .and_then(|part| part.text_at(&["valueString"]));
        let (name, of_type) = match said {
            Some(said) => put::names(element).find(|(_, of_type)| of_type.name == said)?,
            None => put::names(element).next()?,
        };
        let (Kind::Object(id) | Kind::Reference(id, _)) = of_type.kind else { return None };
        let shape = map.to.shape(id);
        let mut object = Object::new();
        if let Some(id) = extension.get("id") {
            object.insert("id", id.clone());
        }
        for part in parts {
            let Some(url) = part.text_at(&["url"]) else { continue };
            if url == DATATYPE {
                continue;
            }
            let found = shape.elements.iter().find(|inner| inner.name == url);
            let (name, out) = match (found, part.as_object()) {
                (Some(inner), Some(part)) => self.decode(part, inner, at)?,
                (None, Some(_)) => (SmolStr::new_static("extension"), Out::of(self.extension(part, at, &spot)?.into())),
                _ => return None,
            };
            put::put(map.to, &mut object, shape, &[name], out).ok()?;
        }
        Some((name, Out::of(put::tidy(object, shape).into())))
    }

    /// A value of an extension as one of an element of the target: by its own type, else by one it can become.
    fn typed(
        &mut self,
        item: Item<'_>,
        of: Of,
        element: &'static Element,
        at: &Place<'_>,
        spot: &Spot,
    ) -> Option<(SmolStr, Out)> {
        let mut types: Vec<(SmolStr, &'static Type)> = put::names(element).collect();
        types.sort_by_key(|(_, of_type)| of_type.name != of.of_type.name);
        types.into_iter().find_map(|(name, of_type)| {
            let out = match (of.of_type.kind, of_type.kind) {
                // A text that the version at hand has no type for.
                (Kind::Primitive(_), Kind::Primitive(_)) => Out {
                    value: item.value.cloned(),
                    companion: item.companion.map(|companion| self.companion(companion, at, spot)),
                },
                (Kind::Object(from) | Kind::Reference(from, _), Kind::Object(to) | Kind::Reference(to, _))
                    if super::coerce::is_alike(of.of_type.name, of_type.name) =>
                {
                    Out::of(self.object(item.value?.as_object()?, from, to, at, spot).into())
                }
                _ => return None,
            };
            Some((name, out))
        })
    }
}

fn list<'o>(object: &'o Object, name: &str) -> &'o [Json] {
    object.get(name).and_then(Json::as_array).unwrap_or_default()
}

/// Whether a text has the form of its type, so that an extension may say that it is one.
fn is_sound(value: &Json, of_type: &str) -> bool {
    use model::types::Primitive as P;
    let Some(primitive) = P::parse(of_type) else { return false };
    match primitive {
        P::Boolean => value.as_bool().is_some(),
        P::Decimal | P::Integer | P::PositiveInt | P::UnsignedInt => value.as_number().is_some(),
        P::Date | P::DateTime | P::Instant => super::coerce::scalar(value, P::DateTime, P::Date).is_some(),
        primitive => {
            super::coerce::scalar(value, P::String, primitive).is_some()
                || matches!(primitive, P::Time | P::Base64Binary | P::String)
        }
    }
}

/// An extension that holds whatever stands there, for elements nobody knows.
pub(super) fn guess(value: &Json, url: &str) -> Option<Object> {
    let mut extension = Object::of([("url", Json::from(url))]);
    match value {
        Json::Null => return None,
        Json::Bool(_) => drop(extension.insert("valueBoolean", value.clone())),
        Json::Number(_) => drop(extension.insert("valueDecimal", value.clone())),
        Json::String(text) if text.is_empty() => return None,
        Json::String(_) => drop(extension.insert("valueString", value.clone())),
        Json::Array(items) => {
            let parts: Vec<Json> = items.iter().filter_map(|item| guess(item, "item")).map(Json::Object).collect();
            extension.insert("extension", Json::Array(parts));
        }
        Json::Object(object) => {
            let parts: Vec<Json> =
                object.iter().filter_map(|(name, value)| guess(value, name)).map(Json::Object).collect();
            if parts.is_empty() {
                return None;
            }
            extension.insert("extension", Json::Array(parts));
        }
    }
    Some(extension)
}
