//! Durations, sizes and rates as texts with their unit.

use std::time::Duration;

use toml::Value;

/// So many in so much time, such as `5/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In which time.
    pub per: Duration,
}

const DURATIONS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: [(&str, u64); 7] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// A duration such as `"50ms"`, `"30s"`, `"5m"`, `"2h"`, `"30d"`.
pub(super) fn duration(value: &Value) -> Result<Duration, String> {
    let expected = || "expected a duration with its unit (ms, s, m, h, d) as a text".to_owned();
    let millis = with_unit(value.as_str().ok_or_else(expected)?, &DURATIONS).ok_or_else(expected)?;
    Ok(Duration::from_millis(millis))
}

/// A duration that is not zero.
pub(super) fn wait(value: &Value) -> Result<Duration, String> {
    match duration(value)? {
        Duration::ZERO => Err("expected a duration over zero".to_owned()),
        wait => Ok(wait),
    }
}

/// A size such as `"256MiB"`.
pub(super) fn size(value: &Value) -> Result<u64, String> {
    let expected = || "expected a size with its unit (B, KiB, MiB, GiB) as a text".to_owned();
    with_unit(value.as_str().ok_or_else(expected)?, &SIZES).ok_or_else(expected)
}

/// A rate such as `"5/h"`.
pub(super) fn rate(value: &Value) -> Result<Rate, String> {
    let expected = || "expected a rate such as 5/h (per s, m, h or d) as a text".to_owned();
    let (count, unit) = value.as_str().and_then(|text| text.split_once('/')).ok_or_else(expected)?;
    let count = count.trim().parse().map_err(|_| expected())?;
    let unit = unit.trim();
    let (_, millis) = DURATIONS.iter().find(|(name, _)| *name == unit).ok_or_else(expected)?;
    Ok(Rate { count, per: Duration::from_millis(*millis) })
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = unit.trim();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}
