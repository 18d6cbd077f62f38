//! A gzipped tar, read from memory within limits: nothing of it is ever written to disk here.
//!
//! POSIX.1-2001 pax and ustar interchange formats; long names as GNU tar writes them.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::PackageError;

/// What an archive may at most hold. The largest published guides are a tenth of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries, folders too.
    pub entries: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// How many times larger than the archive its content may be, beyond the first megabytes.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 100_000, file_bytes: 256 << 20, bytes: 2 << 30, ratio: 200 }
    }
}

const BLOCK: usize = 512;
/// Below this much, any ratio will do: a small package of much white space is no bomb.
const FREE_BYTES: u64 = 16 << 20;

/// Gives each regular file (its name with `/`, its content) to `take`, in the order of the archive.
pub(crate) fn read(bytes: &[u8], limits: &Limits, take: &mut dyn FnMut(&str, Vec<u8>)) -> Result<(), PackageError> {
    let most = (bytes.len() as u64).saturating_mul(limits.ratio).max(FREE_BYTES).min(limits.bytes);
    let mut reader = Reader { from: MultiGzDecoder::new(bytes).take(most.saturating_add(1)), most, done: 0 };
    let mut long_name: Option<String> = None;
    for count in 0.. {
        let Some(header) = reader.header()? else { return Ok(()) };
        if count >= limits.entries {
            return Err(PackageError::Limit("entries"));
        }
        if header.size > limits.file_bytes {
            return Err(PackageError::Limit("bytes of a file"));
        }
        match header.kind {
            b'0' | 0 | b'7' => {
                let name = long_name.take().unwrap_or(header.name);
                let name = checked(&name)?;
                let content = reader.content(header.size)?;
                if !name.ends_with('/') {
                    take(&name, content);
                }
            }
            b'5' => {
                long_name = None;
                reader.content(header.size)?;
            }
            b'L' => {
                let name = reader.content(header.size.min(64 << 10))?;
                long_name = Some(text(&name)?);
            }
            b'x' => {
                let records = reader.content(header.size.min(1 << 20))?;
                long_name = pax_path(&records)?.or(long_name);
            }
            b'g' | b'K' => drop(reader.content(header.size)?),
            b'1' | b'2' => return Err(PackageError::Refused("a link")),
            _ => return Err(PackageError::Refused("neither a file nor a folder")),
        }
    }
    Ok(())
}

struct Header {
    name: String,
    size: u64,
    kind: u8,
}

struct Reader<'b> {
    from: std::io::Take<MultiGzDecoder<&'b [u8]>>,
    most: u64,
    done: u64,
}

impl Reader<'_> {
    /// The next header; none at the end (two blocks of zeros, or just the end of the bytes).
    fn header(&mut self) -> Result<Option<Header>, PackageError> {
        let mut block = [0_u8; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let rest = block.get_mut(filled..).unwrap_or_default();
            match self.from.read(rest).map_err(|_| PackageError::Archive("it does not unpack"))? {
                0 => break,
                more => filled += more,
            }
        }
        self.count(filled as u64)?;
        if filled == 0 || block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if filled < BLOCK {
            return Err(PackageError::Archive("it ends inside a header"));
        }
        let field = |from: usize, length: usize| block.get(from..from + length).unwrap_or_default();
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { u64::from(b' ') } else { u64::from(*byte) })
            .sum();
        if octal(field(148, 8)) != Some(sum) {
            return Err(PackageError::Archive("a header has a wrong sum"));
        }
        let mut name = text(until_zero(field(0, 100)))?;
        if field(257, 5) == b"ustar" && field(257, 8) != b"ustar  \0" {
            let prefix = text(until_zero(field(345, 155)))?;
            if !prefix.is_empty() {
                name = format!("{prefix}/{name}");
            }
        }
        let size = size(field(124, 12)).ok_or(PackageError::Archive("a header has no size"))?;
        Ok(Some(Header { name, size, kind: field(156, 1).first().copied().unwrap_or_default() }))
    }

    /// The content of an entry, with the padding after it taken off.
    fn content(&mut self, size: u64) -> Result<Vec<u8>, PackageError> {
        let padded = size.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64);
        // What a header says is no reason to reserve it.
        let mut content = Vec::with_capacity(usize::try_from(padded.min(1 << 20)).unwrap_or_default());
        let read = (&mut self.from).take(padded).read_to_end(&mut content);
        let read = read.map_err(|_| PackageError::Archive("it does not unpack"))? as u64;
        self.count(read)?;
        if read < size {
            return Err(PackageError::Archive("it ends inside a file"));
        }
        content.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(content)
    }

    fn count(&mut self, bytes: u64) -> Result<(), PackageError> {
        self.done = self.done.saturating_add(bytes);
        if self.done > self.most { Err(PackageError::Limit("unpacked bytes")) } else { Ok(()) }
    }
}

/// No absolute name and no way up: what is not inside the archive is not of the package.
fn checked(name: &str) -> Result<String, PackageError> {
    let name = name.strip_prefix("./").unwrap_or(name);
    let leads_out = name.starts_with('/')
        || name.contains('\\')
        || name.contains('\0')
        || name.split('/').any(|step| step == ".." || step.ends_with(':'));
    if leads_out { Err(PackageError::Refused("a name that leads out of it")) } else { Ok(name.to_owned()) }
}

fn until_zero(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn text(bytes: &[u8]) -> Result<String, PackageError> {
    let text = std::str::from_utf8(until_zero(bytes)).map_err(|_| PackageError::Archive("a name is not UTF-8"))?;
    Ok(text.to_owned())
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(until_zero(field)).ok()?;
    u64::from_str_radix(text.trim_matches(' '), 8).ok()
}

/// Octal digits, or (GNU) a binary number after the high bit.
fn size(field: &[u8]) -> Option<u64> {
    match field.split_first()? {
        (0x80, rest) => rest.iter().try_fold(0_u64, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte))),
        _ => octal(field),
    }
}

/// `path` of pax records: `LENGTH KEY=VALUE\n`.
fn pax_path(records: &[u8]) -> Result<Option<String>, PackageError> {
    let bad = PackageError::Archive("an extended header is not as it should be");
    let mut rest = records;
    let mut path = None;
    while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
        let digits = rest.get(..space).and_then(|digits| std::str::from_utf8(digits).ok());
        let length = digits.and_then(|digits| digits.parse::<usize>().ok());
        let Some(record) = length.and_then(|length| rest.get(space + 1..length)) else { return Err(bad) };
        if let Some(value) = record.strip_prefix(b"path=") {
            path = Some(text(value.strip_suffix(b"\n").unwrap_or(value))?);
        }
        rest = length.and_then(|length| rest.get(length..)).unwrap_or_default();
    }
    Ok(path)
}
