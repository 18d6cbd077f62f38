//! Code systems, value sets, concept maps and units: membership, expansion, translation, without a network.
