//! The compiled form of the tables of a tree: documents whose parts are elements, not fields by number.

use std::collections::HashMap;

use model::json::Json;
use smol_str::SmolStr;

use super::path::Path;
use crate::function::Function;
use crate::map::{AliasId, Way, With};
use crate::path::Target;
use crate::quick::Quick;
use crate::tree::check::Check;
use crate::tree::write::Requirement;

/// Every table of a package.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) tables: Vec<Table>,
    /// Which tables read an element met at a `dispatch`, by the element's name; what has no name stands under "".
    pub(crate) entries: HashMap<SmolStr, Vec<Entry>, Quick>,
    /// What is expected of an element, by its name; of any under "*".
    pub(crate) checks: HashMap<SmolStr, Vec<Check>, Quick>,
    /// What is written of an element besides what rows have, by the name its path begins with; of any under "*".
    pub(crate) required: HashMap<SmolStr, Vec<Requirement>, Quick>,
    /// The same in the order of the file, by name and number, as the way back reads them.
    pub(crate) order: Vec<(SmolStr, usize)>,
    /// Which resources stand in which section, for a Bundle without a Composition.
    pub(crate) sections: Vec<SectionRule>,
}

/// Which resources stand in a section.
#[derive(Debug)]
pub(crate) struct SectionRule {
    /// LOINC code of the section.
    pub(crate) code: SmolStr,
    pub(crate) title: SmolStr,
    /// Resource type.
    pub(crate) resource: SmolStr,
    /// Member that must have one of these codes; none asked if empty.
    pub(crate) member: SmolStr,
    pub(crate) values: Vec<SmolStr>,
}

/// A table of a template or a datatype.
#[derive(Debug)]
pub(crate) struct Table {
    /// Type it builds: a resource type, a complex type, or the path of a backbone element.
    pub(crate) root: SmolStr,
    /// Role of the resource it builds; of tables without an id row, the role they add to.
    pub(crate) role: AliasId,
    pub(crate) resource: bool,
    pub(crate) identity: Option<Identity>,
    pub(crate) rows: Vec<Row>,
    /// Rows for required elements that nothing has filled.
    pub(crate) defaults: Vec<Row>,
    /// What a resource must say for the way back to take this table: the element, and its value if one is named.
    pub(crate) matches: Vec<Match>,
    /// The table of the act that stands around its element in a section.
    pub(crate) wrap: Option<usize>,
}

/// What a resource must say, or must not.
#[derive(Debug)]
pub(crate) struct Match {
    /// One of these must hold.
    pub(crate) any: Vec<Wanted>,
    pub(crate) place: Option<Place>,
}

/// An element that must be there, with one of its values if any are named; where negated, must not.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) target: Target,
    pub(crate) values: Vec<SmolStr>,
    pub(crate) negated: bool,
}

/// Where a resource is written.
#[derive(Debug)]
pub(crate) enum Place {
    /// Asked only inside a resource of this type; where negated, only outside.
    Inside(SmolStr, bool),
    /// The table is taken only in sections of these codes.
    Section(Vec<SmolStr>),
}

/// What the id of a resource is made of: the first alternative whose first part is there.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) alternatives: Vec<Vec<Part>>,
    /// Whether the same identity again is another resource.
    pub(crate) each: bool,
}

/// A part of an identity.
#[derive(Debug)]
pub(crate) enum Part {
    Path(Path),
    /// The id of another resource.
    Role(AliasId),
    /// That of the resource around.
    Parent,
    /// The document and all that the element says.
    Position,
}

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) source: Source,
    /// Role whose resource the row fills; [`crate::map::SELF`] for what the table itself builds.
    pub(crate) role: AliasId,
    /// Without steps: nothing is put anywhere.
    pub(crate) target: Target,
    pub(crate) via: Via,
    pub(crate) with: Vec<With>,
    pub(crate) when: Vec<Term>,
    pub(crate) way: Way,
    pub(crate) rule: u32,
    /// Whether each value is taken, not the first alone.
    pub(crate) each: bool,
}

/// Where a row takes its value from.
#[derive(Debug)]
pub(crate) enum Source {
    Path(Path),
    /// The resource of a role.
    Role(AliasId),
    /// Each resource of a role made so far.
    Each(AliasId),
    /// The resource around the table's own.
    Parent,
    Constant,
}

/// How the value becomes the target's.
#[derive(Debug)]
pub(crate) enum Via {
    Function(&'static Function),
    /// The element's text, or the text of the narrative it refers to.
    Referred,
    /// The narrative as XHTML.
    Narrative,
    /// Text that is base64 already, or is made so.
    Attachment,
    /// How many bytes that is.
    Size,
    /// Their SHA-1.
    Hash,
    /// The element's text or that of the narrative it refers to, as base64.
    Note,
    Code(usize),
    System(usize),
    /// A datatype table, with a vocabulary map for its code.
    Table {
        table: usize,
        map: Option<usize>,
    },
    /// A resource made by a template table.
    Resource(usize),
    /// The rows of another table, into the same object.
    Rows(usize),
    /// Whatever table reads the element; only resources of these types are referred to, if any are named.
    Dispatch(Vec<SmolStr>),
    Literal(Json),
    /// A text that only the way back writes.
    Written(SmolStr),
    Reference,
    Copy(Target),
    Drop(SmolStr),
    Absent(SmolStr),
}

/// One condition; all of a row must hold.
#[derive(Debug)]
pub(crate) struct Term {
    pub(crate) negated: bool,
    pub(crate) test: Test,
}

/// What a condition asks.
#[derive(Debug)]
pub(crate) enum Test {
    /// One of these has a value.
    Any(Vec<Path>),
    In(Path, Vec<SmolStr>),
    /// There is a resource of this role.
    Role(AliasId),
    /// The resource around is of this type.
    Parent(SmolStr),
    /// The vocabulary map has the code.
    Coded(usize, Path),
    /// The text is a number, a time, …
    Form(Form, Path),
    /// The target already has this element.
    Filled(Target),
}

/// Forms of text conditions may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Number,
    Integer,
    /// A unit without blanks, as UCUM's codes are: whether it is one of UCUM's is for the validator.
    Unit,
    /// An OID or a UUID.
    Universal,
    /// A time of a precision of a second at least.
    Timestamp,
}

/// Which tables read an element.
#[derive(Debug)]
pub(crate) struct Entry {
    /// One of these templates; any if empty.
    pub(crate) templates: Vec<SmolStr>,
    /// One of these codes; any if empty.
    pub(crate) codes: Vec<SmolStr>,
    pub(crate) when: Vec<Term>,
    /// None: the element is read through.
    pub(crate) tables: Vec<usize>,
    /// The table that makes no resource itself.
    pub(crate) through: Option<usize>,
}
