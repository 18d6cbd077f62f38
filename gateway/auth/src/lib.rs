//! Who is calling: tokens, credentials, roles. No sockets.
