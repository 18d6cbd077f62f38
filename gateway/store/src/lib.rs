//! What is kept: one transaction for resources, audit, deliveries and ledger records.
