//! Bytes to messages and back: HL7 v2, MLLP. No input or output of its own.
