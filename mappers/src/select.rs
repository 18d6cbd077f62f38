//! Which package serves a message.

use formats::hl7v2::Message;

use crate::package::{BASE, Package, Packages};

/// What is known about a message before it is mapped.
#[derive(Clone, Copy, Debug)]
pub struct Selector<'a> {
    /// Packages to choose from, the most special first; empty: `hl7v2-base`.
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
    /// The package that serves a message: the first of those named that has a table for its type.
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

    fn candidates(&self, selector: &Selector<'_>) -> Result<Vec<&Package>, SelectError> {
        let mut out = Vec::new();
        let base = [BASE.to_owned()];
        let names = if selector.names.is_empty() { base.as_slice() } else { selector.names };
        for name in names {
            out.push(self.named(name).ok_or_else(|| SelectError::UnknownPackage { name: name.clone() })?);
        }
        out.retain(|package| package.format() == selector.format);
        if out.is_empty() { Err(SelectError::UnknownFormat { format: selector.format.to_owned() }) } else { Ok(out) }
    }
}

impl Package {
    /// Whether a message table of this package serves the type.
    fn knows(&self, message: &Message) -> bool {
        self.compiled.message_type(&message.message_code(), &message.trigger(), &message.structure()).is_some()
    }

    /// Whether the fallback table reads a segment of it.
    fn reads(&self, message: &Message) -> bool {
        let rows =
            self.compiled.fallback.and_then(|number| self.compiled.messages.get(number)).map(|table| &table.rows);
        let names = message.segments().filter(|segment| segment.name() != "MSH");
        names.into_iter().any(|segment| {
            let id = self.compiled.segments.get(segment.name());
            rows.is_some_and(|rows| rows.iter().any(|row| Some(&row.segment) == id && !row.tables.is_empty()))
        })
    }
}
