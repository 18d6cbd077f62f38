//! Elements as a tree, to be changed.

use std::collections::HashMap;

use smol_str::{SmolStr, format_smolstr};

use crate::profile::{ContentReference, Element, ElementId, MAX_ELEMENTS, Profile, ProfileError};

/// The last step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// As it is written: `value[x]`.
    pub(super) text: SmolStr,
}

impl Name {
    pub(super) fn new(text: &str) -> Self {
        Self { text: SmolStr::new(text) }
    }

    /// `value` of `value[x]`.
    pub(super) fn choice(&self) -> Option<&str> {
        self.text.strip_suffix("[x]")
    }
}

/// An element with what is below it. Its `children` and `slices` are here, not in `element`; id and path come at the end.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: Name,
    pub(super) element: Element,
    /// The id of the element whose content it has.
    pub(super) content: Option<String>,
    pub(super) children: Vec<Node>,
    pub(super) slices: Vec<Node>,
    /// What it was before the differential sliced it: new slices start from that.
    pub(super) unsliced: Option<Box<Node>>,
}

impl Node {
    pub(super) fn new(name: Name, mut element: Element) -> Self {
        element.children.clear();
        element.slices.clear();
        let content = element.content_reference.take().and_then(|reference| match reference {
            ContentReference::Type { path, .. } => Some(path),
            ContentReference::Here(_) => None,
        });
        Self { name, element, content, children: Vec::new(), slices: Vec::new(), unsliced: None }
    }

    /// A whole profile.
    pub(super) fn of(profile: &Profile) -> Self {
        Self::below(profile, ElementId::ROOT)
    }

    /// An element of a profile and what is below it. The depth of a compiled profile is bounded.
    pub(super) fn below(profile: &Profile, id: ElementId) -> Self {
        let element = profile.element(id);
        let content = match &element.content_reference {
            Some(ContentReference::Here(target)) => Some(profile.element(*target).id.clone()),
            Some(ContentReference::Type { path, .. }) => Some(path.clone()),
            None => None,
        };
        let name = match element.is_choice {
            true => format_smolstr!("{}[x]", element.name),
            false => element.name.clone(),
        };
        Self {
            name: Name { text: name },
            content,
            children: element.children.iter().map(|child| Self::below(profile, *child)).collect(),
            slices: element.slices.iter().map(|slice| Self::below(profile, *slice)).collect(),
            unsliced: None,
            element: Element { children: Vec::new(), slices: Vec::new(), ..element.clone() },
        }
    }

    /// How many elements it and what is below it are, those kept for new slices among them.
    pub(super) fn size(&self) -> usize {
        1 + self.children.iter().chain(&self.slices).chain(self.unsliced.as_deref()).map(Self::size).sum::<usize>()
    }

    /// What a new slice of it starts from.
    pub(super) fn template(&self) -> Self {
        let of = self.unsliced.as_deref().unwrap_or(self);
        Self {
            name: of.name.clone(),
            element: of.element.clone(),
            content: of.content.clone(),
            children: of.children.clone(),
            slices: Vec::new(),
            unsliced: None,
        }
    }

    /// The elements in the order of a snapshot, each with id and path.
    pub(super) fn flatten(self) -> Result<Vec<Element>, ProfileError> {
        let mut elements = Vec::with_capacity(self.size());
        let mut contents = Vec::new();
        let id = self.name.text.to_string();
        self.write(id.clone(), id, &mut elements, &mut contents);
        if elements.len() > MAX_ELEMENTS {
            return Err(ProfileError::Broken("the snapshot has too many elements".to_owned()));
        }
        let places: HashMap<String, usize> = match contents.is_empty() {
            true => HashMap::new(),
            false => elements.iter().enumerate().map(|(at, element)| (element.id.clone(), at)).collect(),
        };
        for (at, target) in contents {
            let reference = match places.get(&target) {
                Some(place) => ContentReference::Here(ElementId::at(*place)),
                None => ContentReference::Type {
                    type_name: SmolStr::new(target.split('.').next().unwrap_or_default()),
                    path: target,
                },
            };
            if let Some(element) = elements.get_mut(at) {
                element.content_reference = Some(reference);
            }
        }
        Ok(elements)
    }

    fn write(
        mut self,
        id: String,
        path: String,
        elements: &mut Vec<Element>,
        contents: &mut Vec<(usize, String)>,
    ) -> ElementId {
        let at = elements.len();
        let is_slice = self.element.slice_name.is_some();
        if let Some(target) = self.content.take() {
            contents.push((at, target));
        }
        let bare = self.name.choice().map(SmolStr::new);
        self.element.is_choice = bare.is_some();
        self.element.name = bare.unwrap_or(self.name.text);
        self.element.content_reference = None;
        self.element.id.clone_from(&id);
        self.element.path.clone_from(&path);
        elements.push(self.element);
        let mut children = Vec::with_capacity(self.children.len());
        for child in self.children {
            let (id, path) = (format!("{id}.{}", child.name.text), format!("{path}.{}", child.name.text));
            children.push(child.write(id, path, elements, contents));
        }
        // `Patient.name:a` and its re-slice `a/b`: what stands after the last colon is replaced.
        let unsliced = match (is_slice, id.rfind(':')) {
            (true, Some(colon)) => id.get(..colon).unwrap_or(&id),
            _ => &id,
        };
        let mut slices = Vec::with_capacity(self.slices.len());
        for slice in self.slices {
            let name = slice.element.slice_name.clone().unwrap_or_default();
            slices.push(slice.write(format!("{unsliced}:{name}"), path.clone(), elements, contents));
        }
        if let Some(element) = elements.get_mut(at) {
            element.children = children;
            element.slices = slices;
        }
        ElementId::at(at)
    }
}
