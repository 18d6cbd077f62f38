//! Frame headers: magic u32, payload length u32, sequence u64, checksum u32, reserved u32, all little endian; frames begin
//! at multiples of 8.

/// Length of a frame header.
pub(crate) const FRAME_HEADER: u64 = 24;

const MAGIC: [u8; 4] = *b"ALF1";

/// What stands before a group of commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) length: u32,
    pub(crate) sequence: u64,
    checksum: u32,
}

impl FrameHeader {
    /// Fills in the header at the front of `buffer`, which holds the payload behind it.
    pub(crate) fn seal(buffer: &mut [u8], sequence: u64, position: u64, journal: &[u8; 16]) {
        let payload = buffer.get(FRAME_HEADER as usize..).unwrap_or_default();
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let checksum = checksum(payload, sequence, position, journal);
        let header =
            [&MAGIC[..], &length.to_le_bytes(), &sequence.to_le_bytes(), &checksum.to_le_bytes(), &[0; 4]].concat();
        for (byte, value) in buffer.iter_mut().zip(header) {
            *byte = value;
        }
    }

    /// Reads a header; `None` if the magic is not there.
    pub(crate) fn parse(bytes: &[u8; FRAME_HEADER as usize]) -> Option<Self> {
        let [m0, m1, m2, m3, l0, l1, l2, l3, s0, s1, s2, s3, s4, s5, s6, s7, c0, c1, c2, c3, ..] = *bytes;
        (MAGIC == [m0, m1, m2, m3]).then_some(Self {
            length: u32::from_le_bytes([l0, l1, l2, l3]),
            sequence: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
        })
    }

    /// Whether this header belongs to `payload` at `position` of this journal.
    pub(crate) fn fits(&self, payload: &[u8], position: u64, journal: &[u8; 16]) -> bool {
        self.checksum == checksum(payload, self.sequence, position, journal)
    }
}

/// The next place where a frame may begin.
pub(crate) fn align(position: u64) -> u64 {
    position.next_multiple_of(8)
}

/// The journal's random id is part of it: nobody outside can craft a message that holds a valid frame.
fn checksum(payload: &[u8], sequence: u64, position: u64, journal: &[u8; 16]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(journal);
    hasher.update(&sequence.to_le_bytes());
    hasher.update(&position.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}
