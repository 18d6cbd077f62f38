//! Which elements hold something that stands by itself, and so cannot be written as `p` or `span`.

use formats::cda::Element;

/// One flag for each element of a narrative.
pub(super) struct Blocks {
    first: u32,
    holds: Vec<bool>,
}

impl Blocks {
    pub(super) fn of(text: Element<'_>) -> Self {
        let first = text.id();
        let count = count(text);
        let mut blocks = Self { first, holds: vec![false; count] };
        for id in (first..).take(count) {
            let Some(element) = text.document().element(id) else { break };
            if matches!(element.name(), "table" | "list" | "paragraph") {
                blocks.mark_around(element, text);
            }
        }
        blocks
    }

    fn mark_around(&mut self, element: Element<'_>, text: Element<'_>) {
        let mut at = element;
        while at != text
            && let Some(around) = at.parent()
        {
            let Some(holds) = self.holds.get_mut((around.id().wrapping_sub(self.first)) as usize) else { return };
            // What is around this one is marked already.
            if std::mem::replace(holds, true) {
                return;
            }
            at = around;
        }
    }

    pub(super) fn within(&self, element: Element<'_>) -> bool {
        self.holds.get((element.id().wrapping_sub(self.first)) as usize).copied().unwrap_or_default()
    }
}

/// The element and all below it, which follow it in the document's order.
fn count(text: Element<'_>) -> usize {
    let mut last = text;
    while let Some(child) = last.children().last() {
        last = child;
    }
    last.id().saturating_sub(text.id()) as usize + 1
}
