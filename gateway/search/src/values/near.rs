//! `near`: latitude and longitude as ten-millionths of a degree. FHIR R4 location.html, "Positional Searching".

use model::json::Json;

use crate::row::{IndexRow, Match, RowKind, Test};
use crate::values::{Sink, Value};

/// Kilometres of a degree of latitude, and the radius of the Earth, as WGS84 has them on average.
const DEGREE_KM: f64 = 111.195;
const RADIUS_KM: f64 = 6_371.0;
const SCALE: f64 = 1e7;

/// What a search without a distance takes for near.
const DEFAULT_KM: f64 = 50.0;

pub(crate) fn rows(value: &Value<'_>, sink: &mut Sink<'_>) {
    let degrees = |name: &str| value.json.get(name).and_then(Json::as_number)?.as_str().parse::<f64>().ok();
    let (Some(latitude), Some(longitude)) = (degrees("latitude"), degrees("longitude")) else { return };
    if latitude.abs() <= 90.0 && longitude.abs() <= 180.0 {
        sink.put([ordered(latitude), ordered(longitude)].concat());
    }
}

#[expect(clippy::cast_possible_truncation, reason = "180 degrees are 1.8e9, which an i32 holds")]
fn ordered(degrees: f64) -> [u8; 4] {
    (((degrees * SCALE).round() as i32).cast_unsigned() ^ (1 << 31)).to_be_bytes()
}

fn degrees(bytes: &[u8]) -> Option<f64> {
    let bytes: [u8; 4] = bytes.try_into().ok()?;
    Some(f64::from((u32::from_be_bytes(bytes) ^ (1 << 31)).cast_signed()) / SCALE)
}

/// A place and how far from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Near {
    param: u32,
    latitude: f64,
    longitude: f64,
    kilometres: f64,
}

impl Near {
    /// Reads `latitude|longitude[|distance[|unit]]`.
    pub(crate) fn read(param: u32, parts: &[String]) -> Option<Self> {
        let number = |text: &String| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let latitude = parts.first().and_then(number).filter(|it| it.abs() <= 90.0)?;
        let longitude = parts.get(1).and_then(number).filter(|it| it.abs() <= 180.0)?;
        let distance = match parts.get(2).filter(|text| !text.is_empty()) {
            None => DEFAULT_KM,
            Some(text) => {
                let factor = match parts.get(3).map_or("km", String::as_str) {
                    "km" | "" => 1.0,
                    "m" => 0.001,
                    "[mi_us]" | "[mi_i]" | "mi" => 1.609_344,
                    "[nmi_i]" => 1.852,
                    _ => return None,
                };
                number(text).filter(|it| *it >= 0.0)? * factor
            }
        };
        (parts.len() <= 4).then_some(Self { param, latitude, longitude, kilometres: distance })
    }

    /// The rows worth looking at: those of a band of latitudes.
    pub fn band(&self) -> Match {
        let reach = self.kilometres / DEGREE_KM * 1.01 + 1e-6;
        let low = ordered((self.latitude - reach).max(-90.0)).to_vec();
        let mut high = ordered((self.latitude + reach).min(90.0)).to_vec();
        high.extend([0xff; 4]);
        Match { param: self.param, test: Test::Between(Some(low), Some(high)), kind: RowKind::Key }
    }

    /// Whether one of the rows is near.
    pub fn holds(&self, rows: &[IndexRow]) -> bool {
        self.distance(rows).is_some_and(|distance| distance <= self.kilometres)
    }

    /// Kilometres to the nearest of the rows (haversine).
    pub fn distance(&self, rows: &[IndexRow]) -> Option<f64> {
        let own = rows.iter().filter(|row| row.param == self.param);
        let all = own.filter_map(|row| {
            let (latitude, longitude) = row.value.split_at_checked(4)?;
            let (latitude, longitude) = (degrees(latitude)?, degrees(longitude)?);
            let (from, to) = (self.latitude.to_radians(), latitude.to_radians());
            let (up, along) = ((to - from) / 2.0, (longitude - self.longitude).to_radians() / 2.0);
            let chord = up.sin().powi(2) + from.cos() * to.cos() * along.sin().powi(2);
            Some(2.0 * RADIUS_KM * chord.sqrt().min(1.0).asin())
        });
        all.min_by(f64::total_cmp)
    }
}
