//! How alike a stored Patient is to what somebody at the bedside knows: pure, so that its mistakes can be tested.
//!
//! A wrong patient is the worst failure of this path. The score only orders candidates for a person to choose from; it
//! never chooses.

use model::json::Json;

#[cfg(test)]
mod tests;

/// What is known of the person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demographics {
    /// Family name.
    pub family: String,
    /// Given name or names.
    pub given: String,
    /// `YYYY-MM-DD`, or less of it.
    pub birth_date: String,
    /// Code of administrative-gender, if known.
    pub gender: Option<String>,
}

/// Candidates under this score are not shown.
pub const THRESHOLD: f64 = 0.6;

/// From 0 (nothing in common) to 1 (all the same), in hundredths.
///
/// Family 40, birth date 35, given 20, gender 5; gender counts as equal where either side does not say.
pub fn score(known: &Demographics, patient: &Json) -> f64 {
    let mut family = 0.0_f64;
    let mut given = 0.0_f64;
    for name in patient.items("name") {
        let last = name.get("family").and_then(Json::as_str).unwrap_or_default();
        let first: Vec<&str> = name.items("given").iter().filter_map(Json::as_str).collect();
        family = family.max(alike(&known.family, last));
        // One of two family names, and names that stand in each other's place on the card.
        for piece in last.split([' ', '-']).filter(|piece| piece.len() < last.len()) {
            family = family.max(0.9 * alike(&known.family, piece));
        }
        for piece in known.family.split([' ', '-']).filter(|piece| piece.len() < known.family.len()) {
            family = family.max(0.9 * alike(piece, last));
        }
        let whole = first.join(" ");
        let is_first = first.iter().copied().chain([whole.as_str()]).any(|name| fold(name) == fold(&known.family));
        if !last.is_empty() && is_first && fold(&known.given) == fold(last) {
            (family, given) = (family.max(0.9), given.max(0.9));
        }
        // Whole, or any one of several: people go by their second name, and wards write the first alone.
        given = given.max(alike(&known.given, &first.join(" ")));
        for piece in first.iter().copied() {
            given = given.max(alike(&known.given, piece));
        }
    }
    let birth = birth(&known.birth_date, patient.get("birthDate").and_then(Json::as_str).unwrap_or_default());
    let gender = match (&known.gender, patient.get("gender").and_then(Json::as_str)) {
        (Some(known), Some(stored)) if known != stored => 0.0,
        _ => 1.0,
    };
    ((family * 40.0 + birth * 35.0 + given * 20.0 + gender * 5.0).round() / 100.0).clamp(0.0, 1.0)
}

/// 1 for the same day, 0.6 for one digit wrong or day and month exchanged, 0.5 for a stored date of less precision that
/// fits, else 0.
fn birth(known: &str, stored: &str) -> f64 {
    if known.is_empty() || stored.is_empty() {
        return 0.0;
    }
    if known == stored {
        return 1.0;
    }
    if known.starts_with(stored) || stored.starts_with(known) {
        return 0.5;
    }
    let swapped = exchanged(known).is_some_and(|exchanged| exchanged == stored);
    let wrong = known.len() == stored.len() && known.bytes().zip(stored.bytes()).filter(|(a, b)| a != b).count() == 1;
    if swapped || wrong { 0.6 } else { 0.0 }
}

/// The same date with day and month exchanged, where that is a date.
pub(crate) fn exchanged(date: &str) -> Option<String> {
    match date.split('-').collect::<Vec<_>>().as_slice() {
        [year, month, day] if day.parse::<u8>().is_ok_and(|day| (1..=12).contains(&day)) => {
            Some(format!("{year}-{day}-{month}"))
        }
        _ => None,
    }
}

/// 1 less the share of letters to change, on folded names; 0 where less than half is common.
fn alike(left: &str, right: &str) -> f64 {
    let (left, right): (Vec<char>, Vec<char>) = (fold(left).chars().collect(), fold(right).chars().collect());
    let longest = left.len().max(right.len());
    if left.is_empty() || right.is_empty() {
        return 0.0;
    }
    // Lengths of names: far within what an f64 holds exactly.
    let share = 1.0 - distance(&left, &right) as f64 / longest as f64;
    if share < 0.5 { 0.0 } else { share }
}

/// Letters to insert, delete, change or swap with their neighbour (optimal string alignment).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut best =
                (at(&above, column) + usize::from(a != b)).min(at(&above, column + 1) + 1).min(at(&line, column) + 1);
            let swapped = row > 0 && column > 0 && left.get(row - 1) == Some(b) && right.get(column - 1) == Some(a);
            if swapped {
                best = best.min(at(&before, column - 1) + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or(0)
}

/// A name as it is compared: lower case, Latin letters without their marks, nothing but letters and digits.
pub fn fold(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for letter in name.chars().flat_map(char::to_lowercase) {
        match letter {
            'ä' | 'æ' => out.push_str("ae"),
            'ö' | 'œ' | 'ø' => out.push_str("oe"),
            'ü' => out.push_str("ue"),
            'ß' => out.push_str("ss"),
            'å' => out.push_str("aa"),
            'à' | 'á' | 'â' | 'ã' | 'ā' | 'ă' | 'ą' => out.push('a'),
            'ç' | 'ć' | 'č' => out.push('c'),
            'ď' | 'đ' | 'ð' => out.push('d'),
            'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => out.push('e'),
            'ğ' => out.push('g'),
            'ì' | 'í' | 'î' | 'ï' | 'ī' | 'ı' => out.push('i'),
            'ł' => out.push('l'),
            'ñ' | 'ń' | 'ň' => out.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ő' => out.push('o'),
            'ř' => out.push('r'),
            'ś' | 'š' | 'ş' | 'ș' => out.push('s'),
            'ť' | 'ț' => out.push('t'),
            'ù' | 'ú' | 'û' | 'ů' | 'ű' => out.push('u'),
            'ý' | 'ÿ' => out.push('y'),
            'ź' | 'ż' | 'ž' => out.push('z'),
            other if other.is_alphanumeric() => out.push(other),
            _ => {}
        }
    }
    out
}
