//! The embedded definitions of R4 (4.0.1): compressed blocks, and an index of canonicals.
//!
//! A lookup unpacks one block and reads one definition of it. The form of the file stands in generator/README.md.

use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, LazyLock, OnceLock};

use flate2::read::ZlibDecoder;
use model::json::{self, Json};
use smol_str::SmolStr;

/// hl7.fhir.r4.core 4.0.1 (CC0), stripped; made by generator/pack.py.
const BYTES: &[u8] = include_bytes!("../generated/r4.pack");
const MAGIC: &[u8] = b"definitions.pack 1 hl7.fhir.r4.core#4.0.1\n";

/// The pack, its index read.
#[derive(Debug)]
pub(crate) struct Pack {
    kinds: Vec<SmolStr>,
    blocks: Vec<Block>,
    /// Sorted by URL, then as the generator has them.
    entries: Vec<PackEntry>,
    text: String,
}

#[derive(Debug)]
struct Block {
    packed: &'static [u8],
    length: usize,
    content: OnceLock<Option<Box<[u8]>>>,
}

/// One definition.
#[derive(Debug)]
pub(crate) struct PackEntry {
    /// In `Pack::text`.
    url: Range<u32>,
    version: Range<u32>,
    kind: u8,
    block: u16,
    place: Range<u32>,
    supplements: Option<Range<u32>>,
    json: OnceLock<Option<Arc<Json>>>,
}

impl Pack {
    /// The embedded pack; its index is read at the first call.
    #[expect(clippy::expect_used, reason = "the bytes are part of the build and a test reads all of them")]
    pub(crate) fn r4() -> &'static Self {
        static PACK: LazyLock<Pack> = LazyLock::new(|| Pack::read(BYTES).expect("the embedded pack is well formed"));
        &PACK
    }

    fn read(bytes: &'static [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (short, rest) = rest.split_first_chunk::<4>()?;
        let (long, rest) = rest.split_first_chunk::<4>()?;
        let (index, mut rest) = rest.split_at_checked(u32::from_le_bytes(*short) as usize)?;
        let text = String::from_utf8(unpack(index, u32::from_le_bytes(*long) as usize)?).ok()?;
        let (head, _) = text.split_once("\n\n")?;
        let mut lines = head.lines();
        let kinds = lines.next()?.split('\t').map(SmolStr::new).collect();
        let mut blocks = Vec::new();
        for line in lines {
            let (short, long) = line.split_once('\t')?;
            let (packed, after) = rest.split_at_checked(short.parse().ok()?)?;
            rest = after;
            blocks.push(Block { packed, length: long.parse().ok()?, content: OnceLock::new() });
        }
        let mut at = head.len() + 2;
        let mut entries = Vec::with_capacity(text.len() / 64);
        for line in text.get(at..)?.lines() {
            let mut start = u32::try_from(at).ok()?;
            at += line.len() + 1;
            let mut fields = line.split('\t').map(|field| {
                let from = start;
                start += u32::try_from(field.len() + 1).unwrap_or(0);
                (from..from + u32::try_from(field.len()).unwrap_or(0), field)
            });
            let (url, _) = fields.next()?;
            let (_, kind) = fields.next()?;
            let (version, _) = fields.next()?;
            let mut number = || fields.next()?.1.parse::<u32>().ok();
            let (block, offset, length) = (number()?, number()?, number()?);
            let supplements = fields.next().map(|(place, _)| place);
            entries.push(PackEntry {
                url,
                version,
                kind: kind.parse().ok()?,
                block: u16::try_from(block).ok()?,
                place: offset..offset.checked_add(length)?,
                supplements,
                json: OnceLock::new(),
            });
        }
        Some(Self { kinds, blocks, entries, text })
    }

    /// The entries of a canonical URL.
    pub(crate) fn find(&self, url: &str) -> impl Iterator<Item = (u32, &PackEntry)> {
        let start = self.entries.partition_point(|entry| self.url(entry) < url);
        let from_there = self.entries.get(start..).unwrap_or_default();
        let same = from_there.iter().take_while(move |entry| self.url(entry) == url);
        (u32::try_from(start).unwrap_or(u32::MAX)..).zip(same)
    }

    pub(crate) fn entries(&self) -> &[PackEntry] {
        &self.entries
    }

    pub(crate) fn url(&self, entry: &PackEntry) -> &str {
        self.slice(&entry.url)
    }

    /// Empty where the definition has none.
    pub(crate) fn version(&self, entry: &PackEntry) -> Option<&str> {
        Some(self.slice(&entry.version)).filter(|version| !version.is_empty())
    }

    pub(crate) fn kind(&self, entry: &PackEntry) -> &str {
        self.kinds.get(usize::from(entry.kind)).map(SmolStr::as_str).unwrap_or_default()
    }

    /// The code systems that only add to another one: the canonical of that, and the entry.
    pub(crate) fn supplements(&self) -> impl Iterator<Item = (&str, u32)> {
        let numbered = self.entries.iter().zip(0..);
        numbered.filter_map(|(entry, at)| Some((self.slice(entry.supplements.as_ref()?), at)))
    }

    /// The definition, kept.
    pub(crate) fn json(&self, entry: &PackEntry) -> Option<Arc<Json>> {
        entry.json.get_or_init(|| self.parse(entry).map(Arc::new)).clone()
    }

    /// The definition, read anew: for a use that keeps something else of it.
    pub(crate) fn parse(&self, entry: &PackEntry) -> Option<Json> {
        let block = self.blocks.get(usize::from(entry.block))?;
        let content = block.content.get_or_init(|| unpack(block.packed, block.length).map(Vec::into_boxed_slice));
        let text = content.as_ref()?.get(entry.place.start as usize..entry.place.end as usize)?;
        json::parse(text, &json::Limits::default()).ok()
    }

    fn slice(&self, range: &Range<u32>) -> &str {
        self.text.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}

fn unpack(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut content = Vec::with_capacity(length);
    ZlibDecoder::new(packed).take(length as u64 + 1).read_to_end(&mut content).ok()?;
    (content.len() == length).then_some(content)
}

#[cfg(test)]
mod tests;
