//! Making a release file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use smol_str::SmolStr;
use tempfile::NamedTempFile;

use super::file::read_at;
use super::{ABSTRACT, DEFINITION, DESIGNATION, DISPLAY, EXTENSION, INACTIVE, MAGIC, PROPERTY, ReleaseError, UNIT};
use crate::concepts::Value;

/// Gathers a code system's content in any order and writes it as one file.
///
/// Texts go to a scratch file at once, so memory grows with the number of concepts, edges and texts, not with their
/// length. Nothing appears in the folder before [`Builder::finish`].
pub struct Builder {
    folder: PathBuf,
    /// Begins the file's name.
    short: &'static str,
    url: SmolStr,
    version: SmolStr,
    name: SmolStr,
    case_sensitive: bool,
    scratch: BufWriter<File>,
    written: u64,
    /// Code to id, in the order of arrival.
    index: HashMap<SmolStr, u32>,
    flags: Vec<u8>,
    records: Vec<Record>,
    /// Child, parent.
    edges: Vec<(u32, u32)>,
    members: BTreeMap<SmolStr, BTreeSet<u32>>,
    properties: BTreeSet<SmolStr>,
}

/// A text in the scratch file.
struct Record {
    concept: u32,
    kind: u8,
    length: u32,
    offset: u64,
}

impl Builder {
    /// Begins a code system; the folder is made if it is not there.
    ///
    /// # Errors
    /// `ReleaseError::Io`.
    pub fn new(folder: &Path, short: &'static str, url: &str, version: &str, name: &str) -> Result<Self, ReleaseError> {
        std::fs::create_dir_all(folder).map_err(ReleaseError::io(folder))?;
        let scratch = tempfile::tempfile_in(folder).map_err(ReleaseError::io(folder))?;
        Ok(Self {
            folder: folder.to_owned(),
            short,
            url: SmolStr::from(line(url)),
            version: SmolStr::from(line(version)),
            name: SmolStr::from(line(name)),
            case_sensitive: true,
            scratch: BufWriter::with_capacity(1 << 20, scratch),
            written: 0,
            index: HashMap::new(),
            flags: Vec::new(),
            records: Vec::new(),
            edges: Vec::new(),
            members: BTreeMap::new(),
            properties: BTreeSet::new(),
        })
    }

    /// Says that case does not count in codes.
    pub fn fold_case(&mut self) {
        self.case_sensitive = false;
    }

    /// The id of a code, added if it is new.
    pub fn concept(&mut self, code: &str) -> u32 {
        let code = crate::code_system::fold(code, self.case_sensitive);
        if let Some(id) = self.index.get(code.as_ref()) {
            return *id;
        }
        let id = u32::try_from(self.flags.len()).unwrap_or(u32::MAX);
        self.index.insert(SmolStr::new(code), id);
        self.flags.push(0);
        id
    }

    /// The id of a code that is there.
    pub fn find(&self, code: &str) -> Option<u32> {
        self.index.get(crate::code_system::fold(code, self.case_sensitive).as_ref()).copied()
    }

    /// The number of concepts so far.
    pub fn len(&self) -> usize {
        self.flags.len()
    }

    /// Whether there is no concept yet.
    pub fn is_empty(&self) -> bool {
        self.flags.is_empty()
    }

    /// Marks a concept as retired.
    pub fn inactive(&mut self, concept: u32) {
        self.flag(concept, INACTIVE);
    }

    /// Marks a concept as a heading.
    pub fn not_selectable(&mut self, concept: u32) {
        self.flag(concept, ABSTRACT);
    }

    fn flag(&mut self, concept: u32, bit: u8) {
        if let Some(flags) = self.flags.get_mut(concept as usize) {
            *flags |= bit;
        }
    }

    /// Gives a concept its preferred text; of several the first one counts.
    ///
    /// # Errors
    /// `ReleaseError::Io`, here and in the methods below.
    pub fn display(&mut self, concept: u32, text: &str) -> Result<(), ReleaseError> {
        self.record(concept, DISPLAY, text)
    }

    /// Gives a concept its formal definition.
    ///
    /// # Errors
    /// `ReleaseError::Io`.
    pub fn definition(&mut self, concept: u32, text: &str) -> Result<(), ReleaseError> {
        self.record(concept, DEFINITION, text)
    }

    /// Adds a text in a language; `usage` is a code of `usage_system`.
    ///
    /// # Errors
    /// `ReleaseError::Io`.
    pub fn designation(
        &mut self,
        concept: u32,
        language: &str,
        (usage_system, usage): (&str, &str),
        text: &str,
    ) -> Result<(), ReleaseError> {
        self.record(concept, DESIGNATION, &format!("{language}{UNIT}{usage_system}{UNIT}{usage}{UNIT}{text}"))
    }

    /// Adds a property.
    ///
    /// # Errors
    /// `ReleaseError::Io`.
    pub fn property(&mut self, concept: u32, name: &str, value: &Value) -> Result<(), ReleaseError> {
        if !self.properties.contains(name) {
            self.properties.insert(SmolStr::from(line(name)));
        }
        let kind = match value {
            Value::Code(_) => "code",
            Value::Coding { system, code, display } => {
                let (system, display) = (system.as_deref().unwrap_or_default(), display.as_deref().unwrap_or_default());
                let text = format!("{name}{UNIT}coding{UNIT}{code}{UNIT}{system}{UNIT}{display}");
                return self.record(concept, PROPERTY, &text);
            }
            Value::String(_) => "string",
            Value::Integer(_) => "integer",
            Value::Boolean(_) => "boolean",
            Value::DateTime(_) => "dateTime",
            Value::Decimal(_) => "decimal",
        };
        self.record(concept, PROPERTY, &format!("{name}{UNIT}{kind}{UNIT}{}", value.text()))
    }

    /// Puts a concept below another.
    pub fn edge(&mut self, child: u32, parent: u32) {
        if child != parent {
            self.edges.push((child, parent));
        }
    }

    /// Puts a concept into a reference set.
    pub fn member(&mut self, set: &str, concept: u32) {
        match self.members.get_mut(set) {
            Some(members) => {
                members.insert(concept);
            }
            None => {
                self.members.insert(SmolStr::from(line(set)), BTreeSet::from([concept]));
            }
        }
    }

    fn record(&mut self, concept: u32, kind: u8, text: &str) -> Result<(), ReleaseError> {
        let length = u32::try_from(text.len())
            .map_err(|_| ReleaseError::TooLarge { what: "bytes in a text", limit: u32::MAX.into() })?;
        self.scratch.write_all(text.as_bytes()).map_err(ReleaseError::io(&self.folder))?;
        self.records.push(Record { concept, kind, length, offset: self.written });
        self.written += u64::from(length);
        Ok(())
    }

    /// Writes the file beside its final name, syncs it, and renames it; an older one of the same version is replaced.
    ///
    /// # Errors
    /// `ReleaseError::Io`; `ReleaseError::TooLarge`. The folder is then as before.
    pub fn finish(mut self) -> Result<PathBuf, ReleaseError> {
        let folder = self.folder.clone();
        let count = u32::try_from(self.flags.len()).unwrap_or(u32::MAX);
        if count == u32::MAX {
            return Err(ReleaseError::TooLarge { what: "concepts", limit: u32::MAX.into() });
        }
        let scratch = self.scratch.into_inner().map_err(|error| ReleaseError::io(&folder)(error.into_error()))?;
        let mut codes: Vec<(SmolStr, u32)> = self.index.drain().collect();
        codes.sort_unstable();
        // From the order of arrival to the order of codes.
        let mut place = vec![0_u32; self.flags.len()];
        for (new, (_, old)) in (0_u32..).zip(&codes) {
            if let Some(slot) = place.get_mut(*old as usize) {
                *slot = new;
            }
        }
        let placed = |old: u32| place.get(old as usize).copied().unwrap_or(0);
        let mut edges: Vec<(u32, u32)> =
            self.edges.iter().map(|(child, parent)| (placed(*child), placed(*parent))).collect();
        self.edges = Vec::new();
        edges.sort_unstable();
        edges.dedup();
        for record in &mut self.records {
            record.concept = placed(record.concept);
        }
        self.records.sort_by_key(|record| (record.concept, record.kind));

        let target = NamedTempFile::new_in(&folder).map_err(ReleaseError::io(&folder))?;
        let mut out = Sections::new(target, &folder);
        out.write(MAGIC)?;
        out.begin();
        out.offsets(codes.iter().map(|(code, _)| code.len() as u64))?;
        out.end("code-offsets");
        out.begin();
        for (code, _) in &codes {
            out.write(code.as_bytes())?;
        }
        out.end("codes");
        out.begin();
        for (_, old) in &codes {
            out.write(&[self.flags.get(*old as usize).copied().unwrap_or(0)])?;
        }
        out.end("flags");
        drop(codes);

        let mut lengths = vec![0_u64; count as usize];
        for record in &self.records {
            if let Some(length) = lengths.get_mut(record.concept as usize) {
                *length += u64::from(record.length) + 5;
            }
        }
        out.begin();
        out.offsets(lengths.into_iter())?;
        out.end("record-offsets");
        out.begin();
        let mut text = Vec::new();
        for record in &self.records {
            text.resize(record.length as usize, 0);
            read_at(&scratch, &mut text, record.offset).map_err(ReleaseError::io(&folder))?;
            out.write(&[record.kind])?;
            out.write(&record.length.to_le_bytes())?;
            out.write(&text)?;
        }
        out.end("records");
        self.records = Vec::new();

        let parents = Lists::new(count, &edges);
        let mut turned: Vec<(u32, u32)> = edges.iter().map(|(child, parent)| (*parent, *child)).collect();
        turned.sort_unstable();
        let children = Lists::new(count, &turned);
        drop((edges, turned));
        out.lists("parent", &parents)?;
        out.lists("child", &children)?;
        out.lists("ancestor", &ancestors(count, &parents, &children)?)?;

        out.begin();
        let mut start = 0_u64;
        let mut sets = Vec::new();
        for (set, members) in &self.members {
            let mut members: Vec<u32> = members.iter().map(|member| placed(*member)).collect();
            members.sort_unstable();
            for member in &members {
                out.write(&member.to_le_bytes())?;
            }
            sets.push(format!("set\t{set}\t{start}\t{}\n", members.len()));
            start += members.len() as u64;
        }
        out.end("members");

        let mut footer = format!(
            "url\t{}\nversion\t{}\nname\t{}\ncase\t{}\nconcepts\t{count}\nbody\t{}\n",
            self.url,
            self.version,
            self.name,
            if self.case_sensitive { "sensitive" } else { "folded" },
            out.checksum.clone().finalize(),
        );
        for (name, offset, length) in &out.sections {
            footer.push_str(&format!("section\t{name}\t{offset}\t{length}\n"));
        }
        for name in &self.properties {
            footer.push_str(&format!("property\t{name}\n"));
        }
        footer.extend(sets);
        let length = u32::try_from(footer.len())
            .map_err(|_| ReleaseError::TooLarge { what: "reference sets", limit: 1 << 20 })?;
        out.write(footer.as_bytes())?;
        out.write(&length.to_le_bytes())?;
        out.write(&crc32fast::hash(footer.as_bytes()).to_le_bytes())?;
        out.write(MAGIC)?;
        out.persist(&folder.join(file_name(self.short, &self.url, &self.version)))
    }
}

/// Ten times what SNOMED CT has: 512 MiB. A code system with more is a chain rather than a hierarchy.
const ANCESTORS: usize = 1 << 27;

/// For every concept its sorted ancestors, itself left out. Concepts on a cycle, which no release should have, keep what
/// is known of them from outside the cycle.
fn ancestors(count: u32, parents: &Lists, children: &Lists) -> Result<Lists, ReleaseError> {
    let mut waiting: Vec<u32> = (0..count).map(|id| u32::try_from(parents.of(id).len()).unwrap_or(u32::MAX)).collect();
    let mut ready: Vec<u32> = (0..count).filter(|id| parents.of(*id).is_empty()).collect();
    // Each list is written once, in the order in which concepts become ready, and found again by its span.
    let mut spans = vec![(0_usize, 0_usize); count as usize];
    let mut all: Vec<u32> = Vec::new();
    let mut gathered: Vec<u32> = Vec::new();
    while let Some(id) = ready.pop() {
        gathered.clear();
        for parent in parents.of(id) {
            gathered.push(*parent);
            if let Some((from, to)) = spans.get(*parent as usize) {
                gathered.extend_from_slice(all.get(*from..*to).unwrap_or_default());
            }
        }
        gathered.sort_unstable();
        gathered.dedup();
        let from = all.len();
        all.extend_from_slice(&gathered);
        if all.len() > ANCESTORS {
            return Err(ReleaseError::TooLarge { what: "ancestors of its concepts", limit: ANCESTORS as u64 });
        }
        if let Some(span) = spans.get_mut(id as usize) {
            *span = (from, all.len());
        }
        for child in children.of(id) {
            if let Some(left) = waiting.get_mut(*child as usize) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    ready.push(*child);
                }
            }
        }
    }
    let mut lists = Lists { offsets: Vec::with_capacity(spans.len() + 1), items: Vec::with_capacity(all.len()) };
    lists.offsets.push(0);
    for (from, to) in spans {
        lists.items.extend_from_slice(all.get(from..to).unwrap_or_default());
        lists.offsets.push(u32::try_from(lists.items.len()).unwrap_or(u32::MAX));
    }
    Ok(lists)
}

/// One list of ids for each concept.
struct Lists {
    offsets: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    /// From pairs sorted by the first.
    fn new(count: u32, pairs: &[(u32, u32)]) -> Self {
        let mut offsets = vec![0_u32];
        let mut rest = pairs.iter().peekable();
        let mut done = 0_u32;
        for id in 0..count {
            while rest.next_if(|(first, _)| *first == id).is_some() {
                done += 1;
            }
            offsets.push(done);
        }
        Self { offsets, items: pairs.iter().map(|(_, second)| *second).collect() }
    }

    fn of(&self, id: u32) -> &[u32] {
        let span = (self.offsets.get(id as usize), self.offsets.get(id as usize + 1));
        match span {
            (Some(from), Some(to)) => self.items.get(*from as usize..*to as usize).unwrap_or_default(),
            _ => &[],
        }
    }
}

/// A file being written: checksum and section table go along.
struct Sections {
    out: BufWriter<NamedTempFile>,
    path: PathBuf,
    checksum: crc32fast::Hasher,
    written: u64,
    begun: u64,
    sections: Vec<(String, u64, u64)>,
}

impl Sections {
    fn new(file: NamedTempFile, path: &Path) -> Self {
        Self {
            out: BufWriter::with_capacity(1 << 20, file),
            path: path.to_owned(),
            checksum: crc32fast::Hasher::new(),
            written: 0,
            begun: 0,
            sections: Vec::new(),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ReleaseError> {
        self.checksum.update(bytes);
        self.written += bytes.len() as u64;
        self.out.write_all(bytes).map_err(ReleaseError::io(&self.path))
    }

    fn begin(&mut self) {
        self.begun = self.written;
    }

    fn end(&mut self, name: &str) {
        self.sections.push((name.to_owned(), self.begun, self.written - self.begun));
    }

    /// Running sums of lengths, from nought.
    fn offsets(&mut self, lengths: impl Iterator<Item = u64>) -> Result<(), ReleaseError> {
        let mut sum = 0_u64;
        self.write(&sum.to_le_bytes())?;
        for length in lengths {
            sum += length;
            self.write(&sum.to_le_bytes())?;
        }
        Ok(())
    }

    fn lists(&mut self, name: &str, lists: &Lists) -> Result<(), ReleaseError> {
        self.begin();
        for offset in &lists.offsets {
            self.write(&offset.to_le_bytes())?;
        }
        self.end(&format!("{name}-offsets"));
        self.begin();
        for item in &lists.items {
            self.write(&item.to_le_bytes())?;
        }
        self.end(&format!("{name}s"));
        Ok(())
    }

    /// Syncs the file, gives it its name and syncs the folder.
    fn persist(self, path: &Path) -> Result<PathBuf, ReleaseError> {
        let file = self.out.into_inner().map_err(|error| ReleaseError::io(path)(error.into_error()))?;
        file.as_file().sync_all().map_err(ReleaseError::io(path))?;
        file.persist(path).map_err(|error| ReleaseError::io(path)(error.error))?;
        #[cfg(unix)]
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(ReleaseError::io(&self.path))?;
        Ok(path.to_owned())
    }
}

/// `short-version-hash.terminology`: readable, and different for different versions.
fn file_name(short: &str, url: &str, version: &str) -> String {
    let tail: String = version
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || ".-".contains(letter) { letter } else { '-' })
        .collect();
    let tail = tail.rsplit("--").next().unwrap_or_default().to_owned();
    let tail: String = tail.chars().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect();
    let hash = crc32fast::hash(format!("{url}|{version}").as_bytes());
    format!("{short}-{}-{hash:08x}.{EXTENSION}", tail.trim_matches(['-', '.']))
}

/// A text that stays within its line and field of the footer.
fn line(text: &str) -> String {
    text.replace(['\t', '\n', '\r'], " ")
}
