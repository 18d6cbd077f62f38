//! Check digits of code systems' identifiers.

/// Whether this is the form of a SNOMED CT identifier: 6 to 18 digits, the last a Verhoeff check digit. SNOMED CT Release
/// File Specifications, "SCTID".
pub fn is_sctid(code: &str) -> bool {
    (6..=18).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit()) && is_verhoeff(code)
}

/// Whether a number of ASCII digits ends in its check digit by Verhoeff's dihedral group algorithm. Its length is
/// not looked at.
///
/// The group's product and the permutation are computed, not tabled: element `x` of D5 is a rotation for x < 5 and a
/// reflection else.
pub(crate) fn is_verhoeff(number: &str) -> bool {
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let product = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let sum = number.bytes().rev().enumerate().fold(0, |sum, (place, digit)| {
        let mut value = digit.saturating_sub(b'0').min(9);
        for _ in 0..place % 8 {
            value = PERMUTATION.get(usize::from(value)).copied().unwrap_or(0);
        }
        product(sum, value)
    });
    sum == 0
}

/// The mod 10 check digit of a number of ASCII digits, as LOINC codes end in (LOINC Users' Guide, "LOINC codes and check
/// digit").
pub fn mod10(number: &str) -> u32 {
    let digits = number.bytes().rev().map(|byte| u32::from(byte.saturating_sub(b'0')));
    let weighed = |(place, digit)| if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit };
    let sum: u32 = digits.enumerate().map(weighed).sum();
    (10 - sum % 10) % 10
}
