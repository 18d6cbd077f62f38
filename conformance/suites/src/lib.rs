//! Test suites against running systems: FHIR endpoints, MLLP listeners, consent and ledger; ours or another's.
