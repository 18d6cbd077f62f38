//! Where an element stands in an XML text: for issues that name line and column.

use xml::{Lexer, Token};

use super::lexer;
use crate::json::{Position, path_steps, position_of};

/// Where the element of a FHIRPath-like location (`Patient.name[0].given[1]`) starts in an XML text.
///
/// As [`crate::json::locate`]: the first step is the type and is not looked up, an element that repeats without an index
/// means its first, a choice may be named as in FHIRPath (`Observation.value.ofType(Quantity)`). An attribute (`id`, the
/// `url` of an extension) is found where its name starts. `None` if the text has no such element or is no XML.
pub fn locate(text: &[u8], path: &str) -> Option<Position> {
    let steps = path_steps(path)?;
    let mut lexer = lexer(text).ok()?;
    loop {
        if let Token::Start(_) = lexer.next().ok()? {
            break;
        }
    }
    let mut at = lexer.start();
    for (name, index) in &steps {
        at = descend(&mut lexer, name, *index)?;
    }
    Some(position_of(text, at))
}

/// Goes to the n-th child of that name of the element whose start tag was read last.
fn descend(lexer: &mut Lexer<'_>, name: &str, index: usize) -> Option<usize> {
    if let Some(attribute) = lexer.attributes().iter().find(|attribute| attribute.name == name && name != "value") {
        return Some(attribute.offset);
    }
    let mut inside = lexer.depth();
    let mut seen = 0;
    loop {
        match lexer.next().ok()? {
            Token::Start(tag) => {
                let is_child = lexer.depth() == inside + 1;
                if is_child && tag.name == name {
                    if seen == index {
                        return Some(lexer.start());
                    }
                    seen += 1;
                } else if is_child && tag.name.starts_with(|letter: char| letter.is_ascii_uppercase()) {
                    // `contained`, `resource`: the resource in it is no step of its own.
                    inside += 1;
                }
            }
            Token::End if lexer.depth() < inside => return None,
            Token::Over => return None,
            _ => {}
        }
    }
}
