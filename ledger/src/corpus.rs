//! The outside vectors: under `ledger/` of the folder that `$ANCHORLINE_CORPUS` names.
