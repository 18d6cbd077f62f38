//! Which package serves a message: one that the operator names, or one that says whose messages it is for.

use std::cmp::Reverse;

use formats::cda::Document;
use formats::hl7v2::Message;
use model::json::Json;

use crate::map_message::PACKAGE_SYSTEM;
use crate::package::{BASE, Package, Packages};

mod sender;
#[cfg(test)]
mod tests;

pub(crate) use sender::Sender;
use sender::Sent;

/// What is known about a message before it is mapped.
#[derive(Clone, Copy, Debug)]
pub struct Selector<'a> {
    /// Packages to choose from, the most special first; empty: those whose `[[match]]` fits, else `hl7v2-base`.
    pub names: &'a [String],
    /// The format, `hl7v2`.
    pub format: &'a str,
    /// The message.
    pub message: &'a Message,
}

/// Why no package serves a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// A name in the configuration that no package has. Fault of the operator.
    #[error("no mapping package is named {name}")]
    UnknownPackage {
        /// The name.
        name: String,
    },
    /// No package maps this format. Fault of the operator.
    #[error("no mapping package reads the format {format}")]
    UnknownFormat {
        /// The format.
        format: String,
    },
    /// MSH-9 names a type that no table is there for. Fault of the sender.
    #[error("unknown message type")]
    UnknownMessageType,
}

impl Packages {
    /// The package that serves a message: the first candidate that has a table for its type.
    ///
    /// Candidates are the packages named, those first whose `[[match]]` fits or that have none; where nothing is named,
    /// every package whose `[[match]]` fits, the one that asks for most first, and then the base.
    ///
    /// # Errors
    /// `UnknownMessageType` where MSH-9 names a type without a table; the others for a name or format nobody has.
    pub fn select(&self, selector: &Selector<'_>) -> Result<&Package, SelectError> {
        let candidates = self.candidates(selector)?;
        candidates.into_iter().find(|package| package.knows(selector.message)).ok_or(SelectError::UnknownMessageType)
    }

    /// Like [`Packages::select`], but a type without a table is read by the package's fallback table, by segments.
    ///
    /// For translating alone: a gateway that stores what it takes in refuses a type nobody has described.
    ///
    /// # Errors
    /// `UnknownMessageType` where no segment besides MSH has a table either.
    pub fn select_by_segments(&self, selector: &Selector<'_>) -> Result<&Package, SelectError> {
        let candidates = self.candidates(selector)?;
        if let Some(package) = candidates.iter().find(|package| package.knows(selector.message)) {
            return Ok(package);
        }
        candidates.into_iter().find(|package| package.reads(selector.message)).ok_or(SelectError::UnknownMessageType)
    }

    /// The package that reads a format of which an input does not say who sent it: the first named that does, else the base
    /// of the format, which extends nothing.
    ///
    /// # Errors
    /// `UnknownPackage` for a name nobody has, `UnknownFormat` for a format that no package reads.
    pub fn of_format(&self, format: &str, names: &[String]) -> Result<&Package, SelectError> {
        for name in names {
            let package = self.named(name).ok_or_else(|| SelectError::UnknownPackage { name: name.clone() })?;
            if package.format() == format {
                return Ok(package);
            }
        }
        let base = self.iter().find(|package| package.format() == format && package.depth == 1);
        base.ok_or_else(|| SelectError::UnknownFormat { format: format.to_owned() })
    }

    /// The package that serves a document, chosen as for a message ([`Packages::select`]): of those named the first whose
    /// `[[match]]` fits or that has none, else the first; where nothing is named, the one whose `[[match]]` fits and asks for
    /// most, else the base of the format.
    ///
    /// # Errors
    /// As [`Packages::of_format`].
    pub fn select_document(&self, names: &[String], document: &Document) -> Result<&Package, SelectError> {
        const FORMAT: &str = "ccda";
        let mut named = Vec::with_capacity(names.len());
        for name in names {
            named.push(self.named(name).ok_or_else(|| SelectError::UnknownPackage { name: name.clone() })?);
        }
        named.retain(|package| package.format() == FORMAT);
        let fits = |package: &&&Package| package.senders.is_empty() || package.fits(document).is_some();
        let found = named.iter().find(fits).or_else(|| named.first()).copied();
        let matching = || self.matching(FORMAT, document).into_iter().next();
        found.or_else(matching).map_or_else(|| self.of_format(FORMAT, &[]), Ok)
    }

    /// The package that writes resources as HL7 v2: the first named, else the one that made them, else the base.
    ///
    /// Which package made them stands in their Provenance, by name; another version of it still knows its own
    /// extensions better than the base does.
    ///
    /// # Errors
    /// `UnknownPackage` for a name nobody has.
    pub fn select_writer(&self, names: &[String], resources: &Json) -> Result<&Package, SelectError> {
        let named = |name: &str| self.named(name).ok_or_else(|| SelectError::UnknownPackage { name: name.to_owned() });
        if let Some(name) = names.first() {
            return named(name);
        }
        let maker = model::bundle::resources(resources).find_map(|resource| self.maker(resource));
        // A package of another format made them: it knows nothing of messages.
        let maker = maker.filter(|package| self.named(BASE).is_none_or(|base| base.format() == package.format()));
        maker.map_or_else(|| named(BASE), Ok)
    }

    /// The package a Provenance says has assembled its targets.
    fn maker(&self, resource: &Json) -> Option<&Package> {
        if model::resource::resource_type(resource) != Some("Provenance") {
            return None;
        }
        resource.items("agent").iter().find_map(|agent| {
            let who = agent.get("who").filter(|who| who.text_at(&["identifier", "system"]) == Some(PACKAGE_SYSTEM))?;
            self.named(who.text_at(&["display"])?.split(' ').next()?)
        })
    }

    fn candidates(&self, selector: &Selector<'_>) -> Result<Vec<&Package>, SelectError> {
        let mut out = Vec::new();
        for name in selector.names {
            out.push(self.named(name).ok_or_else(|| SelectError::UnknownPackage { name: name.clone() })?);
        }
        out.retain(|package| package.format() == selector.format);
        if selector.names.is_empty() {
            out.extend(self.matching(selector.format, selector.message));
            out.extend(self.named(BASE).filter(|base| base.format() == selector.format));
        } else {
            // What the operator names is used; where several are named, whose messages they are for decides.
            out.sort_by_key(|package| !package.senders.is_empty() && package.fits(selector.message).is_none());
        }
        if out.is_empty() { Err(SelectError::UnknownFormat { format: selector.format.to_owned() }) } else { Ok(out) }
    }

    /// Packages that say this message or document is for them, the most special first.
    fn matching(&self, format: &str, sent: &dyn Sent) -> Vec<&Package> {
        let of_format = self.iter().filter(|package| package.format() == format);
        let mut fitting: Vec<_> = of_format.filter_map(|package| Some((package.fits(sent)?, package))).collect();
        fitting.sort_by_key(|(asked, package)| (Reverse(*asked), Reverse(package.depth), package.name().to_owned()));
        fitting.into_iter().map(|(_, package)| package).collect()
    }
}

impl Package {
    /// How much the entry of `[[match]]` that fits asks for; `None` if none fits.
    fn fits(&self, sent: &dyn Sent) -> Option<usize> {
        self.senders.iter().filter(|sender| sender.fits(sent)).map(Sender::asks).max()
    }

    /// Whether a message table of this package serves the type.
    fn knows(&self, message: &Message) -> bool {
        self.compiled().message_type(&message.message_code(), &message.trigger(), &message.structure()).is_some()
    }

    /// Whether the fallback table reads a segment of it.
    fn reads(&self, message: &Message) -> bool {
        let compiled = self.compiled();
        let rows = compiled.fallback.and_then(|number| compiled.messages.get(number)).map(|table| &table.rows);
        let names = message.segments().filter(|segment| segment.name() != "MSH");
        names.into_iter().any(|segment| {
            let id = compiled.segments.get(segment.name());
            rows.is_some_and(|rows| rows.iter().any(|row| Some(&row.segment) == id && !row.tables.is_empty()))
        })
    }
}
