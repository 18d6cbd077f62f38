//! Translation alone: nothing stored, nobody asked. Serves `anchorline convert` and `POST /convert`.
//!
//! Pure: the namespace of ids is the published one, no clock and no randomness take part, so the same input and
//! configuration give the same bytes anywhere.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::ControlFlow;

use mappers::{Packages, SelectError};
use model::json::Json;
use model::outcome::Issue;

mod aside;
pub(crate) mod ccda;
mod fhir;
pub mod flat;
mod format;
mod hl7v2;
pub mod target;
mod versions;

pub use aside::Parted;
pub use format::Format;
pub use hl7v2::format_issue;

use format::{Read as Reader, Whole};
use target::Target;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// Format of the input.
    pub from: Format,
    /// Format to write.
    pub to: Format,
    /// Packages to choose from, the most special first; empty: as the message says.
    pub packages: Vec<String>,
    /// Zone of times without one.
    pub timezone: Option<String>,
    /// Whether loss and explanation are asked for; they cost as much as the translation.
    pub reports: Reports,
    /// How HL7 v2 is to be written.
    pub target: Target,
}

/// Whether [`Output::loss`] and [`Output::explain`] are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reports {
    /// They are null.
    Left,
    /// They say where every piece went.
    Made,
}

/// Longest message of a stream.
pub const MESSAGE_LIMIT_BYTES: usize = 256 << 20;

/// So much is read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Enough to tell formats apart.
const HEAD_BYTES: usize = format::PROLOG_BYTES;

/// One message of the input.
#[derive(Debug)]
pub struct Part {
    /// Its number in the input, from 1.
    pub number: usize,
    /// Whether the input is a batch: its parts are then always numbered, even if there is one.
    pub of_batch: bool,
    /// What came of it, or why it was refused.
    pub result: Result<Output, Vec<Issue>>,
}

/// A translated message. Holds patient data.
#[derive(Debug)]
pub struct Output {
    /// The result in the format asked for.
    pub body: Body,
    /// Findings.
    pub issues: Vec<Issue>,
    /// Where every piece of the input went.
    pub loss: Json,
    /// Which rule made each element.
    pub explain: Json,
}

/// What was written.
#[derive(Debug)]
pub enum Body {
    /// It is written.
    Bytes(Vec<u8>),
    /// FHIR, written as JSON where it goes: a file inside may be as large as the input.
    Resource(Json),
    /// The same without the files in it, which lie on disk.
    Parted(Parted),
}

impl Body {
    /// All of it.
    ///
    /// # Errors
    /// Where files that lie on disk cannot be read.
    pub fn into_bytes(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Resource(resource) => Ok(resource.to_bytes()),
            Self::Parted(parted) => {
                let mut bytes = Vec::new();
                parted.write(&mut bytes)?;
                Ok(bytes)
            }
        }
    }

    /// Writes it piece by piece.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => out.write_all(bytes),
            Self::Resource(resource) => resource.pieces(&mut |piece| out.write_all(piece)),
            Self::Parted(parted) => parted.write(out),
        }
    }
}

/// What a reader or writer works with.
#[derive(Clone, Copy)]
pub(crate) struct Work<'w> {
    pub(crate) packages: &'w Packages,
    pub(crate) request: &'w Conversion,
}

/// FHIR R4 on its way from one format to another. Holds patient data.
pub(crate) struct Middle {
    pub(crate) tree: Json,
    /// Its text where it came as R4: such a resource stays what it is, byte for byte.
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) issues: Vec<Issue>,
    /// Where every piece of the input went; none if it was R4 already.
    pub(crate) loss: Option<Json>,
    pub(crate) explain: Json,
    /// The package that made it, which then also knows its own extensions.
    pub(crate) package: Option<String>,
}

/// One thing of an input that holds many, read.
pub(crate) struct Item {
    pub(crate) number: usize,
    pub(crate) of_batch: bool,
    pub(crate) result: Result<Middle, Vec<Issue>>,
}

/// Hands over an item; whether to go on.
pub(crate) type Take<'t> = dyn FnMut(Item) -> ControlFlow<()> + 't;

/// Reads an input that may hold many things, as its bytes come in, in memory that does not grow with it.
pub(crate) trait Stream {
    /// The next bytes.
    fn push(&mut self, bytes: &[u8], take: &mut Take<'_>) -> ControlFlow<()>;

    /// There are no more.
    fn finish(&mut self, take: &mut Take<'_>) -> ControlFlow<()>;

    /// Whether the input is a batch, as far as it is known.
    fn is_batch(&self) -> bool;
}

/// Translates every message of the input and hands each to `take` as soon as it is done, in order; returns whether the
/// input is a batch (its parts are then always numbered, even if there is one).
pub fn convert(packages: &Packages, request: &Conversion, input: &[u8], mut take: impl FnMut(Part)) -> bool {
    let work = Work { packages, request };
    match work.begin(input) {
        Begun::Refused(issues) => take(single(Err(issues))),
        Begun::Whole(_, read) => take(single(work.finish(read(&work, Cow::Borrowed(input))))),
        Begun::Many(mut stream) => {
            let mut take = |item: Item| {
                take(work.part(item));
                ControlFlow::Continue(())
            };
            let _ = stream.push(input, &mut take);
            let _ = stream.finish(&mut take);
            return stream.is_batch();
        }
    }
    false
}

/// As [`convert`], from a reader, in memory that grows with the largest message and not with the input, for formats that
/// hold many; others are read whole, into room for `expected_bytes` if that is known (0: it is not), large files in a
/// document aside. `take` may end it early.
///
/// # Errors
/// What the reader says, and [`io::ErrorKind::FileTooLarge`] for inputs that are read whole above `limit_bytes`.
pub fn convert_stream(
    packages: &Packages,
    request: &Conversion,
    input: &mut dyn Read,
    (expected_bytes, limit_bytes): (u64, u64),
    mut take: impl FnMut(Part) -> ControlFlow<()>,
) -> io::Result<()> {
    let work = Work { packages, request };
    let mut head = Vec::new();
    input.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let mut stream = match work.begin(&head) {
        Begun::Refused(issues) => {
            let _ = take(single(Err(issues)));
            return Ok(());
        }
        Begun::Whole(from, read) => {
            if aside::can_do_without(from, request.to) {
                let mut input = head.as_slice().chain(input);
                return aside::convert(&work, read, &mut input, (expected_bytes, limit_bytes), &mut take);
            }
            // Room for all of it at once: growing step by step would take half as much again.
            let room = usize::try_from(expected_bytes.min(limit_bytes)).unwrap_or_default();
            head.reserve_exact(room.saturating_add(1).saturating_sub(head.len()));
            input.take(limit_bytes).read_to_end(&mut head)?;
            if head.len() as u64 > limit_bytes {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            let _ = take(single(work.finish(read(&work, head.into()))));
            return Ok(());
        }
        Begun::Many(stream) => stream,
    };
    let mut take = |item: Item| take(work.part(item));
    let mut ended = stream.push(&head, &mut take);
    let mut chunk = vec![0; CHUNK_BYTES];
    while ended.is_continue() {
        let read = match input.read(&mut chunk) {
            Ok(0) => {
                let _ = stream.finish(&mut take);
                break;
            }
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        ended = stream.push(chunk.get(..read).unwrap_or_default(), &mut take);
    }
    Ok(())
}

/// How an input is going to be read.
enum Begun<'w> {
    Refused(Vec<Issue>),
    Whole(Format, Whole),
    Many(Box<dyn Stream + 'w>),
}

impl<'w> Work<'w> {
    /// Finds the format from the beginning of an input.
    fn begin(&self, head: &[u8]) -> Begun<'w> {
        let from = match self.request.from {
            Format::Auto => Format::detect(head).or_else(|| self.named_format()),
            given => Some(given),
        };
        let refused = |code, text: String| Begun::Refused(vec![Issue::error(code, text)]);
        let Some(from) = from else {
            return refused("structure", "expected HL7 v2, FHIR JSON or C-CDA, found neither".to_owned());
        };
        let later =
            |format: Format| refused("not-supported", format!("{} is not translated by this release", format.name()));
        if self.request.to.writer().is_none() {
            return later(self.request.to);
        }
        match from.reader() {
            Reader::Later => later(from),
            Reader::Whole(read) => Begun::Whole(from, read),
            Reader::Many(stream) => Begun::Many(stream(self)),
        }
    }

    /// A text that looks like nothing known is what the packages named for it read.
    fn named_format(&self) -> Option<Format> {
        let packages = self.request.packages.iter().filter_map(|name| self.packages.named(name));
        let format = |format: &str| match format {
            mappers::flat::FORMAT => Some(Format::Csv),
            name => Format::parse(name),
        };
        packages.filter_map(|package| format(package.format())).next()
    }

    fn finish(&self, read: Result<Middle, Vec<Issue>>) -> Result<Output, Vec<Issue>> {
        let middle = read?;
        match self.request.to.writer() {
            Some(write) => write(self, middle),
            None => Err(vec![Issue::error("not-supported", "this format is not written by this release")]),
        }
    }

    fn part(&self, item: Item) -> Part {
        Part { number: item.number, of_batch: item.of_batch, result: self.finish(item.result) }
    }
}

/// An input that is one thing by its format.
fn single(result: Result<Output, Vec<Issue>>) -> Part {
    Part { number: 1, of_batch: false, result }
}

fn select_issue(error: &SelectError) -> Issue {
    match error {
        SelectError::UnknownMessageType => Issue::error("not-supported", error.to_string()).at("MSH-9"),
        _ => Issue::error("not-found", error.to_string()),
    }
}

#[cfg(test)]
mod tests;
