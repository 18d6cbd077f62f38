//! Which resource an identity names: its id is made of the source, the type and what the input says, never of chance.

use model::id::UuidName;
use uuid::Uuid;

use crate::Context;

/// The id of the first alternative that says something, with the number of that alternative; its name stays in `name`.
///
/// `push` adds a part by its number in the alternative and says whether the input has it, or `None` where that decides
/// nothing. The first part that decides does so for the alternative; one without such a part says something.
pub(crate) fn seed<P>(
    name: &mut UuidName,
    context: &Context<'_>,
    kind: &str,
    alternatives: &[Vec<P>],
    mut push: impl FnMut(&mut UuidName, usize, &P) -> Option<bool>,
) -> Option<(Uuid, usize)> {
    name.truncate(0);
    name.push(context.source);
    name.push(kind);
    let mark = name.mark();
    for (number, parts) in alternatives.iter().enumerate() {
        name.truncate(mark);
        let mut says = None;
        for (at, part) in parts.iter().enumerate() {
            let present = push(name, at, part);
            says = says.or(present);
        }
        if says != Some(false) {
            return Some((name.uuid(context.namespace), number));
        }
    }
    None
}
