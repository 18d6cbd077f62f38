//! The gateway: network, people, consent, storage, time.
