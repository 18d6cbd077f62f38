//! What FHIR adds. FHIR R4 fhirpath.html, "Additional functions".

use model::json::Json;
use smol_str::{SmolStr, format_smolstr};

use super::{Evaluator, Flow, Pushed, Scope, Sink, push_one, text_of};
use crate::ast::Call;
use crate::error::EvalError;
use crate::function::Function;
use crate::item::Item;
use crate::node::{self, Lookup, Node};
use crate::types::{EXTENSION, Type};

impl<'a> Evaluator<'_, 'a> {
    pub(crate) fn fhir(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        match call.function {
            Function::Extension => self.extension(call, scope, sink),
            Function::HasExtension => {
                let mut found = false;
                self.extension(call, scope, &mut |_| {
                    found = true;
                    Ok(Flow::Stop)
                })?;
                sink(Item::Boolean(found))
            }
            Function::GetValue => match self.input_items(call, scope)?.as_slice() {
                [Item::Node(node)] => push_one(node.to_system(), sink),
                [item] => sink(item.clone()),
                _ => Ok(Flow::On),
            },
            Function::Resolve => {
                self.input(call, scope, &mut |item| push_one(self.resolve(&item)?.map(Item::Node), sink))
            }
            Function::ElementDefinition => self.input(call, scope, &mut |item| match item {
                Item::Node(node) => push_one(self.context.host.element_definition(&node).map(Item::Node), sink),
                _ => Ok(Flow::On),
            }),
            Function::Slice => self.slice(call, scope, sink),
            Function::CheckModifiers => self.check_modifiers(call, scope, sink),
            Function::ConformsTo => self.conforms_to(call, scope, sink),
            Function::MemberOf => {
                let Some(item) = self.input_single(call, scope)? else { return Ok(Flow::On) };
                let Some(value_set) = self.argument_text(call, 0, scope)? else { return Ok(Flow::On) };
                push_one(self.context.host.member_of(&item, &value_set).map(Item::Boolean), sink)
            }
            Function::Subsumes | Function::SubsumedBy => {
                let Some(item) = self.input_single(call, scope)? else { return Ok(Flow::On) };
                let Some(other) = self.argument(call, 0, scope)? else { return Ok(Flow::On) };
                let answer = match call.function {
                    Function::Subsumes => self.context.host.subsumes(&item, &other),
                    _ => self.context.host.subsumes(&other, &item),
                };
                push_one(answer.map(Item::Boolean), sink)
            }
            Function::HtmlChecks => {
                let Some(item) = self.input_single(call, scope)? else { return Ok(Flow::On) };
                let text = text_of(&item, &call.name)?;
                // Without a host that knows XHTML nothing is held against the text.
                sink(Item::Boolean(self.context.host.is_narrative(&text).unwrap_or(true)))
            }
            Function::GetResourceKey => {
                self.input(call, scope, &mut |item| push_one(key_of(&item).map(Item::String), sink))
            }
            Function::GetReferenceKey => {
                let wanted = call.arguments.first().and_then(type_argument);
                self.input(call, scope, &mut |item| {
                    push_one(reference_key(&item, wanted.as_deref()).map(Item::String), sink)
                })
            }
            _ => Ok(Flow::On),
        }
    }

    /// The extensions of that url.
    fn extension(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let Some(url) = self.argument_text(call, 0, scope)? else { return Ok(Flow::On) };
        let of = *EXTENSION;
        self.input(call, scope, &mut |item| {
            let Item::Node(parent) = item else { return Ok(Flow::On) };
            self.push_nodes(sink, |push| {
                node::each_child(&parent, "extension", Some(Lookup::Single(of)), &mut |extension| {
                    let found = extension.value().and_then(|value| value.get("url")).and_then(Json::as_str);
                    found != Some(url.as_str()) || push(extension)
                })
            })
        })
    }

    /// The target of a reference: what is contained, an entry of the Bundle around, or what the host knows.
    fn resolve(&self, item: &Item<'a>) -> Result<Option<Node<'a>>, EvalError> {
        let (reference, from) = match item {
            Item::Node(from) => match from.value() {
                Some(Json::String(text)) => (Some(text.as_str()), Some(from)),
                Some(value) => (value.get("reference").and_then(Json::as_str), Some(from)),
                None => (None, None),
            },
            other => (other.as_text(), None),
        };
        let Some(reference) = reference else { return Ok(None) };
        if let Some(id) = reference.strip_prefix('#') {
            return self.contained(id);
        }
        if let Some(found) = from.and_then(|from| self.context.host.resolve(reference, from)) {
            return Ok(Some(found));
        }
        let bundle =
            self.context.root_resource.filter(|root| root.type_name() == "Bundle").and_then(|root| root.value());
        let Some(bundle) = bundle else { return Ok(None) };
        let entries = bundle.items("entry");
        self.charge(entries.len())?;
        let entry = entries.iter().find(|entry| {
            let url = entry.get("fullUrl").and_then(Json::as_str).unwrap_or_default();
            url == reference
                || url.strip_suffix(reference).is_some_and(|base| base.ends_with('/'))
                || entry.get("resource").is_some_and(|resource| is_named(resource, reference))
        });
        Ok(entry.and_then(|entry| entry.get("resource")).map(Node::resource))
    }

    /// The contained resource of that id; without an id the resource that contains.
    fn contained(&self, id: &str) -> Result<Option<Node<'a>>, EvalError> {
        if id.is_empty() {
            return Ok(self.context.root_resource.or(self.context.resource));
        }
        for root in [self.context.resource, self.context.root_resource].into_iter().flatten() {
            let contained = root.value().map(|root| root.items("contained")).unwrap_or_default();
            self.charge(contained.len())?;
            if let Some(found) = contained.iter().find(|found| found.get("id").and_then(Json::as_str) == Some(id)) {
                return Ok(Some(Node::resource(found)));
            }
        }
        Ok(None)
    }

    /// Elements that a profile counts to a slice.
    fn slice(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let profile = self.argument_text(call, 0, scope)?;
        let name = self.argument_text(call, 1, scope)?;
        let (Some(profile), Some(name)) = (profile, name) else { return Ok(Flow::On) };
        self.input(call, scope, &mut |item| {
            let Item::Node(node) = &item else { return Ok(Flow::On) };
            match self.context.host.is_in_slice(node, &profile, &name) {
                Some(true) => sink(item),
                Some(false) => Ok(Flow::On),
                None => Err(EvalError::NotAvailable(format_smolstr!("slice: expected a known slice, found {name}"))),
            }
        })
    }

    /// The input; an error if it has a modifier extension that is not listed.
    fn check_modifiers(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let mut allowed = Vec::new();
        for index in 0..call.arguments.len() {
            allowed.extend(self.argument_text(call, index, scope)?);
        }
        self.input(call, scope, &mut |item| {
            if let Item::Node(node) = &item
                && let Some(value) = node.value()
            {
                let other = value.items("modifierExtension").iter().any(|extension| {
                    let url = extension.get("url").and_then(Json::as_str).unwrap_or_default();
                    !allowed.iter().any(|allowed| allowed == url)
                });
                if other {
                    return Err(EvalError::NotAvailable("checkModifiers: expected no other modifier extension".into()));
                }
            }
            sink(item)
        })
    }

    /// FHIR R4 fhirpath.html, `conformsTo`: a profile that is not known is an error.
    fn conforms_to(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let Some(item) = self.input_single(call, scope)? else { return Ok(Flow::On) };
        let Some(profile) = self.argument_text(call, 0, scope)? else { return Ok(Flow::On) };
        let Item::Node(node) = &item else { return sink(Item::Boolean(false)) };
        if let Some(answer) = self.context.host.conforms_to(node, &profile) {
            return sink(Item::Boolean(answer));
        }
        // The definitions of R4 itself: an element conforms to its own type.
        let base =
            profile.strip_prefix("http://hl7.org/fhir/StructureDefinition/").filter(|name| Type::find(name).is_some());
        match base {
            Some(name) => sink(Item::Boolean(node.of().is(name))),
            None => Err(EvalError::NotAvailable("conformsTo: expected a profile that is known".into())),
        }
    }
}

/// Whether a resource is what a relative reference such as `Patient/1` names.
fn is_named(resource: &Json, reference: &str) -> bool {
    let text = |name: &str| resource.get(name).and_then(Json::as_str);
    match (text("resourceType"), text("id"), reference.split_once('/')) {
        (Some(of), Some(id), Some((wanted, wanted_id))) => of == wanted && id == wanted_id,
        _ => false,
    }
}

/// SQL on FHIR 2.0.0, "getResourceKey": type and id.
fn key_of(item: &Item<'_>) -> Option<SmolStr> {
    let Item::Node(node) = item else { return None };
    let id = node.value()?.get("id")?.as_str()?;
    node.of().is_resource().then(|| format_smolstr!("{}/{id}", node.type_name()))
}

fn reference_key(item: &Item<'_>, wanted: Option<&str>) -> Option<SmolStr> {
    let Item::Node(node) = item else { return None };
    let reference = node.value()?.get("reference")?.as_str()?;
    let mut parts = reference.rsplit('/');
    let (id, of) = (parts.next()?, parts.next()?);
    (wanted.is_none_or(|wanted| wanted == of)).then(|| format_smolstr!("{of}/{id}"))
}

/// A type written as an argument: `Patient`.
fn type_argument(argument: &crate::ast::Expr) -> Option<SmolStr> {
    match argument {
        crate::ast::Expr::Member(member) if member.base.is_none() => Some(member.name.clone()),
        _ => None,
    }
}
