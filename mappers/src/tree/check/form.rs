//! What times and codes look like; whether a code exists is for a terminology server.

/// `YYYY[MM[DD[HH[MM[SS[.S…]]]]]][+-ZZZZ]`, and a day that the month has.
pub(super) fn is_time(text: &str) -> bool {
    let (time, zone) = match text.find(['+', '-']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    if !zone.is_empty() && !is_zone(zone.get(1..).unwrap_or_default()) {
        return false;
    }
    let (time, fraction) = time.split_once('.').map_or((time, None), |(time, fraction)| (time, Some(fraction)));
    if fraction.is_some_and(|digits| time.len() != 14 || !are_digits(digits)) {
        return false;
    }
    if !matches!(time.len(), 4 | 6 | 8 | 10 | 12 | 14) || !are_digits(time) {
        return false;
    }
    let part = |from: usize, to: usize| time.get(from..to).and_then(|digits| digits.parse::<u32>().ok());
    let within = |value: Option<u32>, from: u32, to: u32| value.is_none_or(|value| (from..=to).contains(&value));
    let days = match (part(0, 4).unwrap_or(0), part(4, 6)) {
        (year, Some(2)) if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        (_, Some(2)) => 28,
        (_, Some(4 | 6 | 9 | 11)) => 30,
        _ => 31,
    };
    within(part(4, 6), 1, 12)
        && within(part(6, 8), 1, days)
        && within(part(8, 10), 0, 23)
        && within(part(10, 12), 0, 59)
        && within(part(12, 14), 0, 60)
}

fn is_zone(digits: &str) -> bool {
    let minutes = digits.get(2..4).and_then(|digits| digits.parse::<u32>().ok());
    let hours = digits.get(..2).and_then(|digits| digits.parse::<u32>().ok());
    digits.len() == 4 && are_digits(digits) && hours <= Some(14) && minutes <= Some(59)
}

/// Whether a code has the form of its code system's codes; systems that have none in common take any.
pub(super) fn is_code(system: &str, code: &str) -> bool {
    let digits = |from: usize, to: usize| are_digits(code) && (from..=to).contains(&code.len());
    match system {
        // SNOMED CT Release File Specification, "SCTID Check-Digit".
        "2.16.840.1.113883.6.96" => digits(6, 18) && verhoeff(code),
        "2.16.840.1.113883.6.1" => is_loinc(code),
        // RxNorm and CVX: running numbers.
        "2.16.840.1.113883.6.88" => digits(1, 8),
        "2.16.840.1.113883.12.292" => digits(1, 3),
        "2.16.840.1.113883.3.26.1.1" => code.strip_prefix('C').is_some_and(are_digits),
        // ICD-10-CM: a letter, a digit, a letter or digit; after the point up to four.
        "2.16.840.1.113883.6.90" => is_icd_10(code),
        "2.16.840.1.113883.6.238" => code
            .split_once('-')
            .is_some_and(|(number, check)| are_digits(number) && are_digits(check) && check.len() == 1),
        "2.16.840.1.113883.4.9" => code.len() == 10 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        _ => true,
    }
}

/// A number and its check digit; parts, answers and lists have letters before it.
fn is_loinc(code: &str) -> bool {
    let number = ["LP", "LA", "LL", "LG"].iter().find_map(|letters| code.strip_prefix(letters)).unwrap_or(code);
    let Some((number, check)) = number.split_once('-') else { return false };
    are_digits(number) && number.len() <= 8 && are_digits(check) && check.len() == 1
}

fn is_icd_10(code: &str) -> bool {
    let (category, rest) = code.split_once('.').unwrap_or_else(|| code.split_at_checked(3).unwrap_or((code, "")));
    let letters: Vec<u8> = category.bytes().collect();
    let [first, second, third] = letters.as_slice() else { return false };
    first.is_ascii_alphabetic()
        && second.is_ascii_digit()
        && third.is_ascii_alphanumeric()
        && rest.len() <= 4
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Verhoeff's check over the dihedral group of the pentagon: finds every wrong digit and every two that changed places.
fn verhoeff(digits: &str) -> bool {
    let mut check = 0;
    for (place, byte) in digits.bytes().rev().enumerate() {
        check = multiply(check, permute(place % 8, u32::from(byte.wrapping_sub(b'0'))));
    }
    check == 0
}

/// The group: 0 to 4 turn, 5 to 9 turn and mirror.
fn multiply(a: u32, b: u32) -> u32 {
    match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b - 5) % 5,
        (false, true) => 5 + (a - 5 + 5 - b) % 5,
        (false, false) => (a - 5 + 5 - (b - 5)) % 5,
    }
}

/// The permutation of a digit, as often as its place says.
fn permute(times: usize, digit: u32) -> u32 {
    const ONCE: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    (0..times).fold(digit, |digit, _| ONCE.get(digit as usize).copied().unwrap_or(digit))
}

#[cfg(test)]
mod tests;
