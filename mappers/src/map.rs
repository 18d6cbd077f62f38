//! The compiled form of a package's tables: rows with their paths split and their names resolved.

use model::json::{Json, Object};
use smol_str::SmolStr;

use crate::choice::{Choice, Rows};
use crate::function::Function;
use crate::input::Seg;
use crate::path::{FieldPlace, Step, Target};
use crate::reverse::{resolve, says};

/// Number of a segment name within a package.
pub(crate) type SegmentId = u16;
/// A segment no row of the package names.
pub(crate) const UNKNOWN: SegmentId = u16::MAX;
/// Number of a resource's role within a package (`Patient`, `Patient@retired`).
pub(crate) type AliasId = u16;
/// The value or resource the table itself builds.
pub(crate) const SELF: AliasId = u16::MAX;

/// A table of a segment or a datatype.
#[derive(Debug)]
pub(crate) struct Table {
    /// Segment or datatype it reads.
    pub(crate) source: SmolStr,
    /// Type it builds.
    pub(crate) root: SmolStr,
    /// Whether it builds a resource of its own.
    pub(crate) resource: bool,
    /// Role of the resource.
    pub(crate) alias: AliasId,
    /// The array in whose item the rows start: the one an earlier segment of the group has made.
    pub(crate) within: Option<SmolStr>,
    pub(crate) identity: Option<Identity>,
    pub(crate) rows: Vec<Row>,
    /// What each row needs to be there, as far as [`crate::needs`] can say it.
    pub(crate) needs: Vec<u64>,
    /// Places whose texts choose among the rows.
    pub(crate) choices: Vec<Choice>,
    /// Rows for required elements that nothing has filled.
    pub(crate) defaults: Vec<Row>,
}

impl Table {
    /// The rows to FHIR that may find something where these fields or components are present.
    pub(crate) fn rows_for(&self, present: u64) -> impl Iterator<Item = &Row> {
        self.rows_among(Rows::ALL, present)
    }

    /// Those of them that are chosen.
    pub(crate) fn rows_among(&self, chosen: Rows, present: u64) -> impl Iterator<Item = &Row> {
        let needs = self.needs.iter().zip(&self.rows).enumerate();
        let open = move |at: usize, needed: u64| needed & !present == 0 && chosen.has(at);
        needs.filter(move |(at, (needed, _))| open(*at, **needed)).map(|(_, (_, row))| row)
    }
}

/// What the id of a resource is made of: the first alternative whose first place is there.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) alternatives: Vec<Vec<Part>>,
    /// Whether a second resource of the same identity in a message is another one; else it is the same.
    pub(crate) each: bool,
    pub(crate) rule: u32,
    /// Of a flat extract: only where this holds there is a resource.
    pub(crate) when: Vec<Term>,
}

/// A part of an identity.
#[derive(Debug)]
pub(crate) enum Part {
    Place(Place),
    /// The id of another resource.
    Alias(AliasId),
    /// The message and the place of the segment in it.
    Position,
    /// A word in `'`: what tells roles apart that are else the same.
    Word(SmolStr),
}

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) source: Source,
    pub(crate) alias: AliasId,
    pub(crate) target: Target,
    pub(crate) via: Via,
    pub(crate) with: Vec<With>,
    pub(crate) when: Vec<Term>,
    pub(crate) way: Way,
    /// Number of the rule: file and line.
    pub(crate) rule: u32,
    /// Whether each repetition of the field is taken, not the first alone.
    pub(crate) each: bool,
    /// Rows of different fields that fill the same array have the same number; 0 without such.
    pub(crate) rivals: u32,
    /// The rows of that set that the way back may take one of this row's items for.
    pub(crate) contenders: Vec<Contender>,
    /// Table of the rows whose targets go through the reference this row makes.
    pub(crate) through: Option<usize>,
}

/// A row of another field that fills the same array with items that may look like those of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contender {
    pub(crate) table: usize,
    pub(crate) row: usize,
    /// Its field.
    pub(crate) field: u32,
    /// Whether an item that fits it is its own; else only where it has filled the array before.
    pub(crate) always: bool,
}

/// Where a row takes its value from.
#[derive(Debug)]
pub(crate) enum Source {
    Place(Place),
    /// A reference to the resource of this role.
    Alias(AliasId),
    /// A reference to each resource of this role that the message has made so far.
    Each(AliasId),
    /// A constant.
    Constant,
}

/// A place, as seen from the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the segment of the table.
    Own { field: u32, repetition: u32, component: u32, subcomponent: u32 },
    /// In the latest segment of another name within the group.
    Other { segment: SegmentId, field: u32, component: u32, subcomponent: u32 },
    /// In the value of the datatype.
    Part { component: u32, subcomponent: u32 },
    /// In a segment that stands beside.
    Beside(Box<Beside>),
}

/// A place in the segment of the same name, beside the table's own, that says `value` at `mark` and the same at `key`:
/// the date of a leaflet in the observation with the leaflet's sub-id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    pub(crate) place: FieldPlace,
    pub(crate) mark: FieldPlace,
    pub(crate) value: SmolStr,
    pub(crate) key: FieldPlace,
}

/// How the value at the source becomes the value at the target.
#[derive(Debug)]
pub(crate) enum Via {
    Function {
        function: &'static Function,
        arguments: Vec<Place>,
    },
    /// A datatype table, with a vocabulary map for its code.
    Table {
        table: usize,
        map: Option<usize>,
    },
    /// A code by a vocabulary map.
    Code {
        map: usize,
    },
    /// The URI of a coding system's name, by a vocabulary map or made of the name.
    System {
        map: usize,
    },
    /// All repetitions of the field, as lines of one text.
    Lines,
    /// The same, as base64, added to what earlier segments have given the resource.
    Attached,
    Literal(Json),
    Reference,
    /// What stands at another element of the resource.
    Copy(Target),
    /// A resource of this type, made by the rows whose targets go through the reference to it.
    New(SmolStr),
    /// The piece is left out on purpose.
    Drop(SmolStr),
    /// The number of the segment in its group: not kept, made anew on the way back.
    Ordinal,
    /// `data-absent-reason` with this code.
    Absent(SmolStr),
}

/// A constant set beside the target.
#[derive(Debug)]
pub(crate) struct With {
    pub(crate) target: Target,
    pub(crate) value: WithValue,
    /// Only where the value has not said it itself.
    pub(crate) soft: bool,
}

impl With {
    /// Whether an element has this constant.
    pub(crate) fn holds(&self, base: &Object) -> bool {
        let WithValue::Literal(wanted) = &self.value else { return true };
        resolve(base, &self.target.steps, None, None).is_some_and(|there| says(there, wanted))
    }
}

/// What is set.
#[derive(Debug)]
pub(crate) enum WithValue {
    Literal(Json),
    /// A copy of an element of the resource.
    Copy(Vec<Step>),
    /// `data-absent-reason` with this code: the element is required and nothing says it.
    Absent(SmolStr),
}

/// One condition; all of a row must hold.
#[derive(Debug)]
pub(crate) struct Term {
    pub(crate) negated: bool,
    pub(crate) test: Test,
    /// Number of the answer that the rows of a segment's table share; [`NO_ANSWER`] where each asks anew.
    pub(crate) answer: u32,
}

/// The answer to a condition is not shared.
pub(crate) const NO_ANSWER: u32 = u32::MAX;

/// What a condition asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Exists(Place),
    /// One of them has a value.
    Any(Vec<Place>),
    In(Place, Vec<SmolStr>),
    /// The field has more than one value.
    Repeats(Place),
    /// The text is of this form.
    Form(Form, Place),
    /// There is a resource of this role.
    Alias(AliasId),
    /// Both places say the same, piece by piece.
    Same(Place, Place),
    /// Some segment of the message has a value there, wherever it stands.
    Anywhere(Place),
}

/// Forms of text conditions may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Number,
    Compared,
    /// A range with a lower end.
    RangeLow,
    /// A range with an upper end.
    RangeHigh,
    Timestamp,
    Time,
    /// The name of an assigning authority whose URI the source or the package knows.
    Authority,
    /// A code that this vocabulary map has.
    Coded(usize),
}

/// Which way a row is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Both,
    Forward,
    Backward,
    /// Both, but back only where the segment already says what its conditions ask for.
    Held,
    /// Back only, and only of what no message made: a message's own places are known, and nothing is said in a second one.
    Foreign,
}

impl Way {
    /// Whether a row writes messages of resources that came as one (`made`) or of others.
    pub(crate) fn is_back(self, made: bool) -> bool {
        match self {
            Self::Both | Self::Backward | Self::Held => true,
            Self::Foreign => !made,
            Self::Forward => false,
        }
    }
}

/// A message table: what each segment becomes, by group.
#[derive(Debug)]
pub(crate) struct MessageTable {
    pub(crate) groups: Vec<Group>,
    pub(crate) rows: Vec<MessageRow>,
    /// Numbers of the rows of each segment, by its number.
    pub(crate) by_segment: Vec<Vec<usize>>,
}

impl MessageTable {
    /// The rows of a segment with their numbers.
    pub(crate) fn rows_of(&self, segment: SegmentId) -> impl Iterator<Item = (usize, &MessageRow)> {
        let numbers = self.by_segment.get(usize::from(segment)).map(Vec::as_slice).unwrap_or_default();
        numbers.iter().filter_map(|number| Some((*number, self.rows.get(*number)?)))
    }
}

impl MessageTable {
    /// Whether a row is the first of its group: its segment begins another one.
    fn begins(&self, row: &MessageRow) -> bool {
        row.opens
            && self.rows.iter().find(|first| first.group == row.group).is_some_and(|first| std::ptr::eq(first, row))
    }

    /// The numbers of the segments in the order they are read.
    pub(crate) fn order(&self, segments: &[Seg<'_>]) -> Vec<u32> {
        let mut out: Vec<u32> = (0u32..).zip(segments).map(|(number, _)| number).collect();
        let row = |number: u32, late: bool| {
            let id = segments.get(number as usize)?.id;
            self.rows_of(id).map(|(_, row)| row).find(|row| row.late || !late)
        };
        if self.rows.iter().any(|row| row.late) {
            for at in 1..out.len() {
                let Some([first, second]) = out.get(at - 1..=at) else { continue };
                let (first, second) = (row(*first, true), row(*second, false));
                if let (Some(first), Some(second)) = (first, second)
                    && first.group == second.group
                    && !second.late
                    && !self.begins(second)
                {
                    out.swap(at - 1, at);
                }
            }
        }
        out
    }
}

/// A group of segments; the first is the whole message.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: SmolStr,
    pub(crate) parent: Option<usize>,
    /// What a group is made for on the way back.
    pub(crate) drivers: Vec<Driver>,
    /// Other resources of the group, found from the driver.
    pub(crate) bindings: Vec<(AliasId, Driver)>,
}

/// Where the resources come from for which a group is repeated on the way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    /// Every resource of the role's type that is not used yet, referring to the resource of another role if named,
    /// and without a reference in the member named last to anything else of the Bundle.
    Each { alias: AliasId, by: Option<(SmolStr, AliasId)>, without: Option<SmolStr> },
    /// Those another resource refers to.
    Follow { alias: AliasId, from: AliasId, path: Vec<SmolStr> },
    /// Every item of an array of a role that the first table of the group fits.
    Items { alias: AliasId, array: SmolStr },
    /// Once, without a resource.
    Once,
}

/// What a segment in a group becomes.
#[derive(Debug)]
pub(crate) struct MessageRow {
    pub(crate) group: usize,
    pub(crate) segment: SegmentId,
    pub(crate) tables: Vec<usize>,
    pub(crate) opens: bool,
    /// Read after the segment that follows it, where that is of the same group: it speaks of what that one makes.
    pub(crate) late: bool,
    pub(crate) when: Vec<Term>,
}
