//! Where a piece stands in the source and in the target; written out only when somebody asks.

use std::fmt;

use model::json::Json;

/// A place in the source.
#[derive(Clone, Copy)]
pub(super) enum Place<'p> {
    Root(&'p str),
    Member { parent: &'p Place<'p>, name: &'p str, index: Option<usize> },
}

impl<'p> Place<'p> {
    pub(super) fn member(&'p self, name: &'p str, index: Option<usize>) -> Place<'p> {
        Place::Member { parent: self, name, index }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => formatter.write_str(name),
            Self::Member { parent, name, index } => {
                write!(formatter, "{parent}.{name}")?;
                match index {
                    Some(index) => write!(formatter, "[{index}]"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// A place in the target: empty where nobody counts.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    text: Option<String>,
    /// Whether what is below stands for the whole: an element whose type changes.
    is_whole: bool,
}

impl Spot {
    /// `Type/id#Type`, or `#Type` without an id.
    pub(super) fn root(account: bool, kind: &str, id: Option<&str>) -> Self {
        let text = account.then(|| match id {
            Some(id) => format!("{kind}/{id}#{kind}"),
            None => format!("{kind}#{kind}"),
        });
        Self { text, is_whole: false }
    }

    pub(super) fn member(&self, name: &str, index: Option<usize>) -> Self {
        let text = self.text.as_ref().map(|text| match (self.is_whole, index) {
            (true, _) => text.clone(),
            (false, Some(index)) => format!("{text}.{name}[{index}]"),
            (false, None) => format!("{text}.{name}"),
        });
        Self { text, is_whole: self.is_whole }
    }

    pub(super) fn whole(mut self) -> Self {
        self.is_whole = true;
        self
    }

    pub(super) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }
}

/// Calls with the place of every value that is no object, array or null.
pub(super) fn leaves(value: &Json, place: &Place<'_>, found: &mut dyn FnMut(&Place<'_>)) {
    match value {
        Json::Null => {}
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let Place::Member { parent, name, .. } = place else { continue };
                leaves(item, &Place::Member { parent, name, index: Some(index) }, found);
            }
        }
        Json::Object(object) => {
            for (name, member) in object.iter() {
                leaves(member, &place.member(name.trim_start_matches('_'), None), found);
            }
        }
        _ => found(place),
    }
}
