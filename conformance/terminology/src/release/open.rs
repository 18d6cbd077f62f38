//! Reading a release file.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use smol_str::SmolStr;

use super::file::read_at;
use super::{ABSTRACT, DEFINITION, DESIGNATION, DISPLAY, INACTIVE, MAGIC, PROPERTY, ReleaseError, UNIT};
use crate::code_system::fold;
use crate::concepts::{Completeness, Concept, Concepts, Designation, Value};
use crate::rule;

/// A footer is at most this long; a longer one is damage.
const FOOTER: u64 = 64 << 20;
/// A concept's records are at most this long.
const RECORD: u64 = 16 << 20;

/// An open release. Shared by all threads.
pub struct Release {
    path: PathBuf,
    file: File,
    url: SmolStr,
    version: SmolStr,
    name: SmolStr,
    case_sensitive: bool,
    count: u32,
    body: u32,
    /// Where the footer begins.
    end: u64,
    /// Sorted codes, one after the other, and where each begins.
    codes: Vec<u8>,
    code_offsets: Vec<u32>,
    flags: Vec<u8>,
    records: Section,
    /// Where each concept's records begin. In memory, like the next, so that a question costs one read.
    record_offsets: Vec<u64>,
    ancestors: Section,
    ancestor_offsets: Vec<u32>,
    /// Parents and children: where the lists begin, and the lists.
    lists: [(Section, Section); 2],
    members: Section,
    properties: HashSet<SmolStr>,
    /// Reference set to first place and number in the members section.
    sets: BTreeMap<SmolStr, (u64, u64)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Section {
    offset: u64,
    length: u64,
}

const PARENTS: usize = 0;
const CHILDREN: usize = 1;

impl Release {
    /// Opens a file: reads the footer and the codes, and checks that every section lies in the file.
    ///
    /// # Errors
    /// `ReleaseError::Io`; `ReleaseError::Damaged`. The texts' checksum is looked at only by [`Release::verify`].
    pub fn open(path: &Path) -> Result<Self, ReleaseError> {
        let damaged = |why| ReleaseError::Damaged { path: path.to_owned(), why };
        let mut file = File::open(path).map_err(ReleaseError::io(path))?;
        let length = file.seek(SeekFrom::End(0)).map_err(ReleaseError::io(path))?;
        let trailer_at = length.checked_sub(16).ok_or_else(|| damaged("expected a trailer"))?;
        let mut trailer = [0_u8; 16];
        read_at(&file, &mut trailer, trailer_at).map_err(ReleaseError::io(path))?;
        let (numbers, magic) = trailer.split_at(8);
        let (footer_length, checksum) = numbers.split_at(4);
        if magic != MAGIC {
            return Err(damaged("expected the trailer of this version"));
        }
        let footer_length = u64::from(little(footer_length));
        let end = trailer_at.checked_sub(footer_length).ok_or_else(|| damaged("expected a footer"))?;
        if footer_length > FOOTER {
            return Err(damaged("expected a shorter footer"));
        }
        let footer = read(&file, path, end, footer_length)?;
        if crc32fast::hash(&footer) != little(checksum) {
            return Err(damaged("expected another checksum of the footer"));
        }
        let footer = String::from_utf8(footer).map_err(|_| damaged("expected a footer of text"))?;
        let mut release = Self::empty(path, file, end);
        let mut sections: BTreeMap<&str, Section> = BTreeMap::new();
        for line in footer.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let number = |text: &str| text.parse::<u64>().map_err(|_| damaged("expected a number in the footer"));
            match fields.as_slice() {
                ["url", text] => release.url = SmolStr::new(text),
                ["version", text] => release.version = SmolStr::new(text),
                ["name", text] => release.name = SmolStr::new(text),
                ["case", text] => release.case_sensitive = *text == "sensitive",
                ["concepts", text] => {
                    release.count = u32::try_from(number(text)?).map_err(|_| damaged("expected fewer concepts"))?;
                }
                ["body", text] => {
                    release.body = u32::try_from(number(text)?).map_err(|_| damaged("expected a checksum"))?;
                }
                ["property", text] => {
                    release.properties.insert(SmolStr::new(text));
                }
                ["set", name, start, count] => {
                    release.sets.insert(SmolStr::new(name), (number(start)?, number(count)?));
                }
                ["section", name, offset, length] => {
                    let section = Section { offset: number(offset)?, length: number(length)? };
                    if section.offset.checked_add(section.length).is_none_or(|last| last > end) {
                        return Err(damaged("expected sections within the file"));
                    }
                    sections.insert(name, section);
                }
                _ => return Err(damaged("expected a known line in the footer")),
            }
        }
        let section = |name: &str| sections.get(name).copied().ok_or_else(|| damaged("expected all sections"));
        let count = u64::from(release.count);
        let sized = |name: &str, item: u64, items: u64| {
            section(name).and_then(|found| {
                if items.checked_mul(item) == Some(found.length) {
                    Ok(found)
                } else {
                    Err(damaged("expected a section of another length"))
                }
            })
        };
        release.records = section("records")?;
        let offsets = sized("record-offsets", 8, count + 1)?;
        release.record_offsets = longs(&read(&release.file, path, offsets.offset, offsets.length)?);
        release.ancestors = section("ancestors")?;
        let offsets = sized("ancestor-offsets", 4, count + 1)?;
        release.ancestor_offsets = littles(&read(&release.file, path, offsets.offset, offsets.length)?);
        for (slot, name) in release.lists.iter_mut().zip(["parent", "child"]) {
            *slot = (sized(&format!("{name}-offsets"), 4, count + 1)?, section(&format!("{name}s"))?);
        }
        release.members = section("members")?;
        let flags = sized("flags", 1, count)?;
        release.flags = read(&release.file, path, flags.offset, flags.length)?;
        let codes = section("codes")?;
        release.codes = read(&release.file, path, codes.offset, codes.length)?;
        let offsets = sized("code-offsets", 8, count + 1)?;
        let offsets = read(&release.file, path, offsets.offset, offsets.length)?;
        release.code_offsets =
            longs(&offsets).into_iter().map(|offset| u32::try_from(offset).unwrap_or(u32::MAX)).collect();
        let in_order = release.code_offsets.is_sorted()
            && release.code_offsets.last().copied().map(u64::from) == Some(codes.length);
        if !in_order || std::str::from_utf8(&release.codes).is_err() {
            return Err(damaged("expected codes in order"));
        }
        Ok(release)
    }

    fn empty(path: &Path, file: File, end: u64) -> Self {
        Self {
            path: path.to_owned(),
            file,
            url: SmolStr::default(),
            version: SmolStr::default(),
            name: SmolStr::default(),
            case_sensitive: true,
            count: 0,
            body: 0,
            end,
            codes: Vec::new(),
            code_offsets: Vec::new(),
            flags: Vec::new(),
            records: Section::default(),
            record_offsets: Vec::new(),
            ancestors: Section::default(),
            ancestor_offsets: Vec::new(),
            lists: <[(Section, Section); 2]>::default(),
            members: Section::default(),
            properties: HashSet::new(),
            sets: BTreeMap::new(),
        }
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The size of the file in bytes.
    ///
    /// # Errors
    /// `ReleaseError::Io`.
    pub fn bytes(&self) -> Result<u64, ReleaseError> {
        Ok(self.file.metadata().map_err(ReleaseError::io(&self.path))?.len())
    }

    /// Reads the whole file and compares its checksum.
    ///
    /// # Errors
    /// `ReleaseError::Io`; `ReleaseError::Damaged`.
    pub fn verify(&self) -> Result<(), ReleaseError> {
        let mut file = File::open(&self.path).map_err(ReleaseError::io(&self.path))?.take(self.end);
        let mut checksum = crc32fast::Hasher::new();
        let mut buffer = vec![0_u8; 1 << 16];
        loop {
            let read = file.read(&mut buffer).map_err(ReleaseError::io(&self.path))?;
            if read == 0 {
                break;
            }
            checksum.update(buffer.get(..read).unwrap_or_default());
        }
        if checksum.finalize() == self.body {
            Ok(())
        } else {
            Err(ReleaseError::Damaged { path: self.path.clone(), why: "expected another checksum of the content" })
        }
    }

    fn code_at(&self, place: usize) -> Option<&[u8]> {
        let (from, to) = (*self.code_offsets.get(place)?, *self.code_offsets.get(place + 1)?);
        self.codes.get(from as usize..to as usize)
    }

    /// A concept's list of ids.
    fn list(&self, kind: usize, concept: Concept) -> Vec<u32> {
        let Some((offsets, items)) = self.lists.get(kind).copied() else { return Vec::new() };
        if concept.0 >= self.count {
            return Vec::new();
        }
        let mut span = [0_u8; 8];
        if read_at(&self.file, &mut span, offsets.offset + u64::from(concept.0) * 4).is_err() {
            return Vec::new();
        }
        let (from, to) = span.split_at(4);
        self.ids(items, little(from).into(), little(to).into())
    }

    fn ids(&self, section: Section, from: u64, to: u64) -> Vec<u32> {
        if from > to || to.checked_mul(4).is_none_or(|end| end > section.length) {
            return Vec::new();
        }
        let mut bytes = vec![0_u8; usize::try_from((to - from) * 4).unwrap_or(0)];
        match read_at(&self.file, &mut bytes, section.offset + from * 4) {
            Ok(()) => littles(&bytes),
            Err(_) => Vec::new(),
        }
    }

    /// A concept's records: kind and text, in the order of kinds.
    fn records(&self, concept: Concept) -> Vec<(u8, String)> {
        let mut found = Vec::new();
        let Some(bytes) = self.record_bytes(concept, RECORD) else { return found };
        let mut rest = bytes.as_slice();
        while let Some((kind, text, after)) = next_record(rest) {
            found.push((kind, String::from_utf8_lossy(text).into_owned()));
            rest = after;
        }
        found
    }

    fn record_bytes(&self, concept: Concept, limit: u64) -> Option<Vec<u8>> {
        let place = concept.0 as usize;
        let (from, to) = (*self.record_offsets.get(place)?, *self.record_offsets.get(place + 1)?);
        if to > self.records.length {
            return None;
        }
        let length = usize::try_from(to.checked_sub(from)?.min(limit)).ok()?;
        let mut bytes = vec![0_u8; length];
        read_at(&self.file, &mut bytes, self.records.offset + from).ok()?;
        Some(bytes)
    }

    fn flag(&self, concept: Concept, bit: u8) -> bool {
        self.flags.get(concept.0 as usize).is_some_and(|flags| flags & bit != 0)
    }

    /// The identifiers of the reference sets, ascending.
    pub fn sets(&self) -> impl Iterator<Item = &str> {
        self.sets.keys().map(SmolStr::as_str)
    }
}

impl Concepts for Release {
    fn url(&self) -> &str {
        &self.url
    }

    fn version(&self) -> Option<&str> {
        Some(&self.version)
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn completeness(&self) -> Completeness {
        Completeness::Complete
    }

    fn rules_out(&self, code: &str) -> bool {
        match self.url.as_str() {
            // No list has the expressions that SNOMED CT allows in place of a code.
            "http://snomed.info/sct" => !rule::is_expression(code),
            // All terms are in the table that has to be there; parts, answers and groups are in files that may not be.
            "http://loinc.org" => !code.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic()),
            _ => true,
        }
    }

    fn case_sensitive(&self) -> bool {
        self.case_sensitive
    }

    fn len(&self) -> u32 {
        self.count
    }

    fn find(&self, code: &str) -> Option<Concept> {
        let code = fold(code, self.case_sensitive);
        let (mut low, mut high) = (0_usize, self.count as usize);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.code_at(middle)?.cmp(code.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return u32::try_from(middle).ok().map(Concept),
            }
        }
        None
    }

    fn code(&self, concept: Concept) -> Option<Cow<'_, str>> {
        std::str::from_utf8(self.code_at(concept.0 as usize)?).ok().map(Cow::Borrowed)
    }

    fn display(&self, concept: Concept) -> Option<Cow<'_, str>> {
        // Displays come first and are short: mostly one read.
        let start = self.record_bytes(concept, 256)?;
        let text = match next_record(&start) {
            Some((DISPLAY, text, _)) => text.to_vec(),
            Some(_) => return None,
            None => match next_record(&self.record_bytes(concept, RECORD)?) {
                Some((DISPLAY, text, _)) => text.to_vec(),
                _ => return None,
            },
        };
        String::from_utf8(text).ok().map(Cow::Owned)
    }

    fn definition(&self, concept: Concept) -> Option<Cow<'_, str>> {
        let records = self.records(concept).into_iter();
        let mut definitions = records.filter(|(kind, _)| *kind == DEFINITION);
        definitions.next().map(|(_, text)| Cow::Owned(text))
    }

    fn designations(&self, concept: Concept) -> Vec<Designation> {
        let records = self.records(concept).into_iter().filter(|(kind, _)| *kind == DESIGNATION);
        records
            .filter_map(|(_, text)| {
                let mut fields = text.splitn(4, UNIT);
                let language = fields.next()?;
                let (system, usage, text) = (fields.next()?, fields.next()?, fields.next()?);
                Some(Designation {
                    language: (!language.is_empty()).then(|| SmolStr::new(language)),
                    usage: (!usage.is_empty()).then(|| (SmolStr::new(system), SmolStr::new(usage))),
                    text: SmolStr::new(text),
                })
            })
            .collect()
    }

    fn properties(&self, concept: Concept) -> Vec<(SmolStr, Value)> {
        let records = self.records(concept).into_iter().filter(|(kind, _)| *kind == PROPERTY);
        records.filter_map(|(_, text)| property(&text)).collect()
    }

    fn has_property(&self, name: &str) -> bool {
        self.properties.contains(name)
    }

    fn active(&self, concept: Concept) -> bool {
        !self.flag(concept, INACTIVE)
    }

    fn selectable(&self, concept: Concept) -> bool {
        !self.flag(concept, ABSTRACT)
    }

    fn parents(&self, concept: Concept) -> Vec<Concept> {
        self.list(PARENTS, concept).into_iter().map(Concept).collect()
    }

    fn children(&self, concept: Concept) -> Vec<Concept> {
        self.list(CHILDREN, concept).into_iter().map(Concept).collect()
    }

    fn is_a(&self, concept: Concept, ancestor: Concept) -> bool {
        let place = concept.0 as usize;
        let span = (self.ancestor_offsets.get(place), self.ancestor_offsets.get(place + 1));
        concept == ancestor
            || match span {
                (Some(from), Some(to)) => {
                    self.ids(self.ancestors, (*from).into(), (*to).into()).binary_search(&ancestor.0).is_ok()
                }
                _ => false,
            }
    }

    fn closure(&self, concept: Concept) -> Vec<Concept> {
        let mut seen = HashSet::from([concept]);
        let mut found = vec![concept];
        let mut next = 0;
        while let Some(at) = found.get(next).copied() {
            next += 1;
            found.extend(self.children(at).into_iter().filter(|child| seen.insert(*child)));
        }
        found
    }

    fn reference_set(&self, identifier: &str) -> Option<Vec<Concept>> {
        let (start, count) = *self.sets.get(identifier)?;
        Some(self.ids(self.members, start, start.checked_add(count)?).into_iter().map(Concept).collect())
    }
}

fn property(text: &str) -> Option<(SmolStr, Value)> {
    let mut fields = text.splitn(3, UNIT);
    let (name, kind, value) = (fields.next()?, fields.next()?, fields.next()?);
    let text = SmolStr::new(value);
    let value = match kind {
        "code" => Value::Code(text),
        "string" => Value::String(text),
        "integer" => Value::Integer(value.parse().ok()?),
        "boolean" => Value::Boolean(value == "true"),
        "dateTime" => Value::DateTime(text),
        "decimal" => Value::Decimal(text),
        "coding" => {
            let mut fields = value.splitn(3, UNIT);
            let code = SmolStr::new(fields.next()?);
            let some = |text: &str| (!text.is_empty()).then(|| SmolStr::new(text));
            Value::Coding { code, system: some(fields.next()?), display: some(fields.next()?) }
        }
        _ => return None,
    };
    Some((SmolStr::new(name), value))
}

/// The first record, and what follows it; none if it is not there whole.
fn next_record(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(5)?;
    let (kind, length) = head.split_first()?;
    let (text, rest) = rest.split_at_checked(little(length) as usize)?;
    Some((*kind, text, rest))
}

fn read(file: &File, path: &Path, offset: u64, length: u64) -> Result<Vec<u8>, ReleaseError> {
    let length =
        usize::try_from(length).map_err(|_| ReleaseError::TooLarge { what: "bytes", limit: u32::MAX.into() })?;
    let mut bytes = vec![0_u8; length];
    read_at(file, &mut bytes, offset).map_err(ReleaseError::io(path))?;
    Ok(bytes)
}

fn little(bytes: &[u8]) -> u32 {
    bytes.try_into().map(u32::from_le_bytes).unwrap_or(0)
}

fn long(bytes: &[u8]) -> u64 {
    bytes.try_into().map(u64::from_le_bytes).unwrap_or(0)
}

fn littles(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(little).collect()
}

fn longs(bytes: &[u8]) -> Vec<u64> {
    bytes.chunks_exact(8).map(long).collect()
}
