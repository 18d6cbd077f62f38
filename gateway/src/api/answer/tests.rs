//! What headers say.

use super::*;

#[test]
fn writes_dates_as_http_has_them() {
    for (at, expected) in [
        ("1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("2026-03-01T10:00:00.900Z", "Sun, 01 Mar 2026 10:00:00 GMT"),
    ] {
        assert_eq!(http_date(Instant::parse(at).unwrap()), expected);
    }
}
