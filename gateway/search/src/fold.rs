//! Text as strings are compared: without case and without marks on letters. FHIR R4 search.html, "string".

use std::borrow::Cow;

use crate::generated::fold::FOLDED;

/// The text in lower case, letters without their marks. Blanks and punctuation stay as they are; a zero byte is left out.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase() && byte != 0) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\0' | '\u{300}'..='\u{36f}' => {}
            letter if letter.is_ascii() => out.push(letter.to_ascii_lowercase()),
            letter => match FOLDED.binary_search_by_key(&letter, |(known, _)| *known) {
                Ok(place) => out.push_str(FOLDED.get(place).map_or("", |(_, bare)| bare)),
                Err(_) => out.extend(letter.to_lowercase()),
            },
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn takes_case_and_marks_away() {
        for (text, folded) in [
            ("van der Berg", "van der berg"),
            ("MÜLLER", "muller"),
            ("Mu\u{308}ller", "muller"),
            ("Łódź", "lodz"),
            ("Groß", "gross"),
            ("Ørsted", "orsted"),
            ("Пётр", "петр"),
            ("東京", "東京"),
            ("a\0b", "ab"),
        ] {
            assert_eq!(fold(text), folded, "{text}");
            assert_eq!(fold(folded), folded, "twice is once");
        }
    }
}
