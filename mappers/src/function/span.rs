//! Times that are said as a distance from another.

use jiff::Span;
use jiff::civil::DateTime;
use smol_str::format_smolstr;

use super::time::{moment, parse_ts};
use super::{Call, Failure, Output, exact};

/// The time that lies so many units after another: `after(START UNIT)`. HL7 v2.8.2 chapter 10, "Duration Units": UCUM's
/// `s`, `min` and `h`, or their words. Days are left out: how long one is hangs on the zone.
pub(super) fn after(call: &Call<'_>) -> Result<Output, Failure> {
    const START: Failure = Failure("expected a duration after a time with a zone");
    let (start, unit) = match call.arguments {
        [start, unit] => (start, unit.trim().to_ascii_lowercase()),
        _ => return Err(START),
    };
    let seconds = match unit.as_str() {
        "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
        _ => return Err(Failure("expected seconds, minutes or hours as unit")),
    };
    let amount: i64 = call.value.trim().parse().map_err(|_| Failure("expected a whole number of units"))?;
    let start = moment(&parse_ts(start)?, call.zone).ok_or(START)?;
    let (clock, zone) = start.split_at_checked(19).ok_or(START)?;
    // What stands between the seconds and the zone is a fraction: it stays.
    let clock: DateTime = clock.parse().map_err(|_| START)?;
    let span = amount.checked_mul(seconds).and_then(|seconds| Span::new().try_seconds(seconds).ok()).ok_or(START)?;
    let end = clock.checked_add(span).map_err(|_| START)?;
    exact(format_smolstr!("{}{zone}", end.strftime("%Y-%m-%dT%H:%M:%S")))
}
