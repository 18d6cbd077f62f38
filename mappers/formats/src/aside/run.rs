//! What looks like a file while its end has not come.

use std::ops::Range;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::File;
use super::packing::Packing;

/// A run of letters and white space, and all that will be asked of it.
#[derive(Default)]
pub(super) struct Run {
    /// Its bytes, until there are so many that they go to the shelf.
    pub(super) bytes: Vec<u8>,
    /// Where it lies on the shelf, if it does.
    pub(super) place: Option<Range<u64>>,
    lines: Lines,
    packing: Packing,
    text: Sha256,
    /// Of the packed base64, from where it differs from the text on.
    data: Option<Sha256>,
    decoded: Decoded,
}

/// Line ends and what follows the last of them, counted as after their normalisation (XML 1.0, 2.11).
#[derive(Default)]
struct Lines {
    count: u32,
    tail: u32,
    length: usize,
    ended_by_return: bool,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let is_second = *byte == b'\n' && self.ended_by_return;
            self.ended_by_return = *byte == b'\r';
            if is_second {
                continue;
            }
            self.length = self.length.saturating_add(1);
            if matches!(byte, b'\n' | b'\r') {
                self.count = self.count.saturating_add(1);
                self.tail = 0;
            } else {
                self.tail = self.tail.saturating_add(1);
            }
        }
    }
}

/// The bytes that base64 stands for, on their way into a digest.
#[derive(Default)]
struct Decoded {
    digest: Sha1,
    bits: u32,
    count: u8,
    bytes: Vec<u8>,
}

impl Decoded {
    fn push(&mut self, letters: &[u8]) {
        for letter in letters {
            self.bits = self.bits << 6 | sextet(*letter);
            self.count = self.count.saturating_add(1);
            if self.count == 4 {
                let [_, bytes @ ..] = self.bits.to_be_bytes();
                self.bytes.extend(bytes);
                (self.bits, self.count) = (0, 0);
            }
        }
        self.digest.update(&self.bytes);
        self.bytes.clear();
    }

    fn finish(mut self) -> [u8; 20] {
        let missing = 4_u32.saturating_sub(u32::from(self.count)).min(3);
        let [_, first, second, _] = (self.bits << missing.saturating_mul(6)).to_be_bytes();
        match self.count {
            2 => self.digest.update([first]),
            3 => self.digest.update([first, second]),
            _ => {}
        }
        self.digest.finalize().into()
    }
}

fn sextet(letter: u8) -> u32 {
    u32::from(match letter {
        b'A'..=b'Z' => letter.wrapping_sub(b'A'),
        b'a'..=b'z' => letter.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => letter.wrapping_sub(b'0').wrapping_add(52),
        b'+' => 62,
        b'/' => 63,
        _ => 0,
    })
}

impl Run {
    /// Reckons with more of its bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
        let mut text = bytes.to_vec();
        text.retain(|byte| !byte.is_ascii_whitespace());
        let mut data = Vec::new();
        self.packing.push(bytes, &mut data);
        self.decoded.push(&data);
        // Padding is at the end of both, where it is written.
        let padded = text.iter().rev().take_while(|byte| **byte == b'=').count();
        if self.data.is_none() && text.get(..text.len().saturating_sub(padded)) != Some(&data[..]) {
            self.data = Some(self.text.clone());
        }
        if padded > 0 && self.data.is_none() {
            let mut both = self.text.clone();
            both.update(&data);
            self.data = Some(both);
        } else if let Some(digest) = &mut self.data {
            digest.update(&data);
        }
        self.text.update(&text);
    }

    /// How long its text is, line ends normalised.
    pub(super) fn length(&self) -> usize {
        self.lines.length
    }

    /// The file, if it is one; else where its bytes lie.
    pub(super) fn finish(self, place: Range<u64>, at: usize) -> Result<File, Range<u64>> {
        let mut padding = Vec::new();
        if !self.packing.finish(&mut padding) {
            return Err(place);
        }
        let mut data = self.data.unwrap_or_else(|| self.text.clone());
        data.update(&padding);
        Ok(File {
            at,
            place,
            lines: self.lines.count,
            tail: self.lines.tail,
            size: self.packing.size(),
            text_digest: self.text.finalize().into(),
            data_digest: data.finalize().into(),
            sha1: self.decoded.finish(),
        })
    }
}
