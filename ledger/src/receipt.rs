//! Receipts: the proof, verifiable offline, that a record stands in the log. C2SP tlog-proof.

use crate::checkpoint::{SignedCheckpoint, TrustedKeys};
use crate::error::Refusal;
use crate::proof;
use crate::text;
use crate::tree::Hash;

/// First line of a receipt.
pub const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A receipt as read; nothing is verified by reading one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The record itself, unless its holder has it anyway.
    pub extra: Option<Vec<u8>>,
    /// The record's index in the log.
    pub index: u64,
    /// The inclusion proof, from the leaf's sibling up.
    pub proof: Vec<Hash>,
    /// The checkpoint, verbatim.
    pub checkpoint: String,
}

/// What a receipt proves, once it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedReceipt {
    /// The record that stands in the log.
    pub record: Vec<u8>,
    /// Its index.
    pub index: u64,
    /// The checkpoint that covers it.
    pub checkpoint: SignedCheckpoint,
}

impl Receipt {
    /// The text form. C2SP tlog-proof, "Format".
    pub fn to_text(&self) -> String {
        let mut out = format!("{HEADER}\n");
        if let Some(extra) = &self.extra {
            out.push_str(&format!("extra {}\n", text::base64(extra)));
        }
        out.push_str(&format!("index {}\n", self.index));
        for hash in &self.proof {
            out.push_str(&hash.to_base64());
            out.push('\n');
        }
        out.push('\n');
        out.push_str(&self.checkpoint);
        out
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// A [`Refusal`] that names the index the text claims, 0 if even that is not to be read: without it the receipt
    /// could be about any entry.
    pub fn parse(receipt: &[u8]) -> Result<Self, Refusal> {
        let claimed = claimed_index(receipt);
        let refuse = |expected: &str| Refusal::index(claimed, format!("receipt: expected {expected}"));
        let receipt = std::str::from_utf8(receipt).map_err(|_| refuse("UTF-8"))?;
        let (head, checkpoint) =
            receipt.split_once("\n\n").ok_or_else(|| refuse("an empty line before the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(refuse("the first line of a tlog-proof"));
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => {
                let base64 = line.strip_prefix("extra ").and_then(text::unbase64);
                Some(base64.ok_or_else(|| refuse("base64 after `extra`"))?)
            }
            None => None,
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(text::decimal);
        let index = index.ok_or_else(|| refuse("an index line"))?;
        let proof: Option<Vec<_>> = lines.map(Hash::from_base64).collect();
        let proof = proof.filter(|proof| proof.len() <= 64).ok_or_else(|| refuse("base64 hashes, at most 64"))?;
        Ok(Self { extra, index, proof, checkpoint: checkpoint.to_owned() })
    }

    /// Verifies checkpoint, signature and proof, offline. `record` stands in for `extra`; one of them is needed.
    ///
    /// Does not look into the record: whose exchange it is, is for the holder to compare.
    ///
    /// # Errors
    /// [`Refusal::Checkpoint`] if the signed note does not hold, else [`Refusal::Index`] with the receipt's index.
    pub fn verify(&self, keys: &TrustedKeys, record: Option<&[u8]>) -> Result<VerifiedReceipt, Refusal> {
        let checkpoint = keys.verify(self.checkpoint.as_bytes())?;
        let record = record.or(self.extra.as_deref());
        let record =
            record.ok_or_else(|| Refusal::index(self.index, "expected the record, in the receipt or beside it"))?;
        let leaf = Hash::leaf(record);
        if !proof::verify_inclusion(leaf, self.index, checkpoint.size(), checkpoint.root(), &self.proof) {
            return Err(Refusal::index(self.index, "the proof does not lead from the record to the signed root"));
        }
        Ok(VerifiedReceipt { record: record.to_vec(), index: self.index, checkpoint })
    }
}

/// The number of the first index line, whatever else is wrong with the text.
fn claimed_index(receipt: &[u8]) -> u64 {
    let lines = receipt.split(|byte| *byte == b'\n').take(3);
    let numbers = lines.filter_map(|line| std::str::from_utf8(line.strip_prefix(b"index ")?).ok());
    numbers.filter_map(text::decimal).next().unwrap_or(0)
}

#[cfg(test)]
mod tests;
