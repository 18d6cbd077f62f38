//! A Merkle log of salted commitments: entries, tiles, checkpoints, receipts.
