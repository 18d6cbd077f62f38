//! The writer: the narrative block from the outside in, one function a kind of element.

use formats::cda::{Content, Element};

use super::attributes::{class, is_kept};
use super::blocks::Blocks;
use super::{Made, link};

/// Readers of narratives give up at some depth; deeper elements keep their text only.
const DEPTH: usize = 120;

pub(super) struct Writer {
    out: String,
    leaves: Vec<u32>,
    blocks: Blocks,
    says_something: bool,
}

/// What is around an element.
#[derive(Clone, Copy, Default)]
struct Around {
    depth: usize,
    /// Nothing that stands by itself may come here.
    inline: bool,
    /// A link, a `sub` or a `sup` does not stand in itself.
    link: bool,
    sub: bool,
    sup: bool,
}

impl Around {
    fn deeper(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }
}

impl Writer {
    pub(super) fn new(text: Element<'_>) -> Self {
        let length = text.leaf_range().len();
        Self {
            out: String::with_capacity(length * 48),
            leaves: Vec::with_capacity(length),
            blocks: Blocks::of(text),
            says_something: false,
        }
    }

    pub(super) fn write(mut self, text: Element<'_>) -> Option<Made> {
        self.out.push_str("<div xmlns=\"http://www.w3.org/1999/xhtml\"");
        self.attributes(text, "div", "");
        self.out.push('>');
        self.content(text, Around::default());
        self.out.push_str("</div>");
        // The one media type that a narrative block has says nothing.
        let media = text.attribute("mediaType").filter(|media| *media == "text/x-hl7-text+xml");
        self.leaves.extend(media.and(text.attribute_leaf("mediaType")));
        self.leaves.sort_unstable();
        self.leaves.dedup();
        self.says_something.then_some(Made { div: self.out, leaves: self.leaves })
    }

    fn content(&mut self, element: Element<'_>, around: Around) {
        for content in element.content() {
            match content {
                Content::Text(text, leaf) => self.text(text, leaf),
                Content::Element(child) => self.element(child, around),
            }
        }
    }

    fn text(&mut self, text: &str, leaf: Option<u32>) {
        self.says_something |= leaf.is_some();
        self.leaves.extend(leaf);
        escape(text, &mut self.out);
    }

    fn element(&mut self, element: Element<'_>, around: Around) {
        if around.depth >= DEPTH {
            self.apart(element);
            return self.content(element, around);
        }
        match element.name() {
            "br" => {
                self.out.push_str("<br/>");
                self.content(element, around);
            }
            "table" if !around.inline => self.table(element, around),
            "list" if !around.inline => self.list(element, around),
            "paragraph" if !around.inline && !self.blocks.within(element) => self.wrap(element, "p", "", around),
            "sub" if !around.sub && !self.blocks.within(element) => {
                self.wrap(element, "sub", "", Around { sub: true, ..around });
            }
            "sup" if !around.sup && !self.blocks.within(element) => {
                self.wrap(element, "sup", "", Around { sup: true, ..around });
            }
            "linkHtml" if !around.link && !self.blocks.within(element) => self.link(element, around),
            "footnoteRef" if !around.link => self.footnote_ref(element, around),
            "renderMultiMedia" => self.media(element, around),
            "caption" => self.plain(element, "caption", around),
            "footnote" => self.plain(element, "footnote", around),
            _ => self.plain(element, "", around),
        }
    }

    /// `<tag …>content</tag>`
    fn wrap(&mut self, element: Element<'_>, tag: &str, class: &str, around: Around) {
        self.open(element, tag, class);
        self.out.push('>');
        self.content(element, around.deeper());
        self.close(tag);
    }

    fn open(&mut self, element: Element<'_>, tag: &str, class: &str) {
        self.out.push('<');
        self.out.push_str(tag);
        self.attributes(element, tag, class);
    }

    fn close(&mut self, tag: &str) {
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
    }

    /// What has no element of its own: a `span`, or a `div` if it holds something that stands by itself.
    fn plain(&mut self, element: Element<'_>, class: &str, around: Around) {
        let tag = if self.blocks.within(element) && !around.inline { "div" } else { "span" };
        self.apart(element);
        self.wrap(element, tag, class, around);
    }

    /// Keeps words apart where what stood apart does no more.
    fn apart(&mut self, element: Element<'_>) {
        let is_apart = matches!(element.name(), "paragraph" | "item" | "tr" | "td" | "th" | "caption");
        if is_apart && self.out.ends_with(|last: char| last != '>' && !last.is_whitespace()) {
            self.out.push(' ');
        }
    }

    /// A list; its caption stands before it, since XHTML has none for lists.
    fn list(&mut self, list: Element<'_>, around: Around) {
        let ordered = list.attribute("listType") == Some("ordered");
        if ordered || list.attribute("listType") == Some("unordered") {
            self.leaves.extend(list.attribute_leaf("listType"));
        }
        let captions: Vec<Element<'_>> = list.children().filter(|child| child.name() == "caption").collect();
        let has_items = list.children().any(|child| child.name() != "caption") || list.has_text();
        if !has_items {
            return self.wrap(list, "div", "", around);
        }
        if !captions.is_empty() {
            self.out.push_str("<div>");
        }
        let within = Around { depth: around.depth + usize::from(!captions.is_empty()), ..around };
        for caption in &captions {
            let tag = if self.blocks.within(*caption) { "div" } else { "p" };
            self.wrap(*caption, tag, "caption", within);
        }
        let tag = if ordered { "ol" } else { "ul" };
        self.open(list, tag, "");
        self.out.push('>');
        for content in list.content() {
            match content {
                Content::Text(text, Some(leaf)) => {
                    self.out.push_str("<li>");
                    self.text(text, Some(leaf));
                    self.close("li");
                }
                Content::Element(child) if child.name() == "caption" => {}
                Content::Element(child) if child.name() == "item" => self.wrap(child, "li", "", within.deeper()),
                Content::Element(child) => self.within(child, &["li"], within.deeper()),
                Content::Text(_, None) => {}
            }
        }
        self.close(tag);
        if !captions.is_empty() {
            self.out.push_str("</div>");
        }
    }

    /// An element where its kind has no place: inside elements that are opened for it.
    fn within(&mut self, element: Element<'_>, tags: &[&str], around: Around) {
        for tag in tags {
            self.out.push('<');
            self.out.push_str(tag);
            self.out.push('>');
        }
        self.element(element, Around { depth: around.depth + tags.len(), ..around });
        for tag in tags.iter().rev() {
            self.close(tag);
        }
    }

    fn text_within(&mut self, text: &str, leaf: Option<u32>, tags: &[&str]) {
        // White space between the parts of a table says nothing.
        if leaf.is_none() {
            return;
        }
        for tag in tags {
            self.out.push('<');
            self.out.push_str(tag);
            self.out.push('>');
        }
        self.text(text, leaf);
        for tag in tags.iter().rev() {
            self.close(tag);
        }
    }

    fn table(&mut self, table: Element<'_>, around: Around) {
        self.open(table, "table", "");
        self.out.push('>');
        let around = around.deeper();
        for content in table.content() {
            match content {
                Content::Text(text, leaf) => self.text_within(text, leaf, &["tr", "td"]),
                Content::Element(child) => match child.name() {
                    "caption" => self.wrap(child, "caption", "", Around { inline: true, ..around }),
                    "thead" | "tfoot" | "tbody" => self.rows(child, around),
                    "tr" => self.row(child, around),
                    "col" => self.column(child),
                    "colgroup" => self.columns(child),
                    _ => self.within(child, &["tr", "td"], around),
                },
            }
        }
        self.close("table");
    }

    fn columns(&mut self, group: Element<'_>) {
        self.open(group, "colgroup", "");
        self.out.push('>');
        for column in group.children().filter(|child| child.name() == "col") {
            self.column(column);
        }
        self.close("colgroup");
    }

    fn column(&mut self, column: Element<'_>) {
        self.open(column, "col", "");
        self.out.push_str("/>");
    }

    fn rows(&mut self, rows: Element<'_>, around: Around) {
        self.open(rows, rows.name(), "");
        self.out.push('>');
        for content in rows.content() {
            match content {
                Content::Text(text, leaf) => self.text_within(text, leaf, &["tr", "td"]),
                Content::Element(child) if child.name() == "tr" => self.row(child, around.deeper()),
                Content::Element(child) => self.within(child, &["tr", "td"], around.deeper()),
            }
        }
        self.close(rows.name());
    }

    fn row(&mut self, row: Element<'_>, around: Around) {
        self.open(row, "tr", "");
        self.out.push('>');
        for content in row.content() {
            match content {
                Content::Text(text, leaf) => self.text_within(text, leaf, &["td"]),
                Content::Element(child) => match child.name() {
                    tag @ ("td" | "th") => self.wrap(child, tag, "", around.deeper()),
                    _ => self.within(child, &["td"], around.deeper()),
                },
            }
        }
        self.close("tr");
    }

    /// A link where it may lead somewhere, else its text.
    fn link(&mut self, element: Element<'_>, around: Around) {
        let target = element.attribute("href").map(str::trim);
        let followed = target.filter(|target| link::is_followed(target, element.document()));
        let Some(target) = followed else { return self.plain(element, "", around) };
        self.leaves.extend(element.attribute_leaf("href"));
        self.open(element, "a", "");
        self.value("href", target);
        self.out.push('>');
        self.content(element, Around { link: true, ..around }.deeper());
        self.close("a");
    }

    /// A link to a footnote: the element has no text of its own, so its target's name stands there.
    fn footnote_ref(&mut self, element: Element<'_>, around: Around) {
        let Some(id) = element.attribute("IDREF").map(str::trim) else { return self.plain(element, "", around) };
        self.leaves.extend(element.attribute_leaf("IDREF"));
        let target = format!("#{id}");
        let tag = if link::is_followed(&target, element.document()) { "a" } else { "span" };
        self.open(element, tag, "footnote-ref");
        if tag == "a" {
            self.value("href", &target);
        }
        self.out.push('>');
        if !element.has_text() {
            escape(id, &mut self.out);
        }
        self.content(element, Around { link: true, inline: true, ..around }.deeper());
        self.close(tag);
    }

    /// Pictures stay with the entry that has them; here stands their caption, and which one is meant.
    fn media(&mut self, element: Element<'_>, around: Around) {
        let tag = if self.blocks.within(element) && !around.inline { "div" } else { "span" };
        self.open(element, tag, "multimedia");
        if let Some(object) = element.attribute("referencedObject").filter(|object| !object.trim().is_empty()) {
            self.leaves.extend(element.attribute_leaf("referencedObject"));
            if element.attribute("title").is_none() {
                self.value("title", object);
            }
        }
        self.out.push('>');
        self.content(element, around.deeper());
        self.close(tag);
    }

    fn attributes(&mut self, element: Element<'_>, tag: &str, own: &str) {
        let mut classes = String::from(own);
        let mut has_language = false;
        for attribute in element.attributes() {
            let Some(leaf) = attribute.leaf else { continue };
            match attribute.name {
                "ID" => {
                    // An id that stands twice means the first; twice in XHTML it would mean neither.
                    if element.document().with_id(attribute.value) == Some(element) {
                        self.value("id", attribute.value);
                    }
                }
                "styleCode" => attribute.value.split_whitespace().for_each(|style| add(&mut classes, class(style))),
                "revised" if matches!(attribute.value, "insert" | "delete") => {
                    add(&mut classes, attribute.value);
                    if attribute.value == "delete" {
                        add(&mut classes, "strikethrough");
                    }
                }
                "language" | "xml:lang" if !has_language => {
                    has_language = true;
                    self.value("lang", attribute.value);
                    self.value("xml:lang", attribute.value);
                }
                name if is_kept(tag, name) => self.value(name, attribute.value),
                _ => continue,
            }
            self.leaves.push(leaf);
        }
        if !classes.is_empty() {
            self.value("class", &classes);
        }
    }

    fn value(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape_value(value, &mut self.out);
        self.out.push('"');
    }
}

fn add(classes: &mut String, class: &str) {
    if !classes.is_empty() {
        classes.push(' ');
    }
    classes.push_str(class);
}

/// Nothing in a text is taken for markup.
fn escape(text: &str, out: &mut String) {
    escape_some(text, |byte| matches!(byte, b'&' | b'<' | b'>'), out);
}

/// The same for a value in quotation marks.
fn escape_value(text: &str, out: &mut String) {
    escape_some(text, |byte| matches!(byte, b'&' | b'<' | b'>' | b'"'), out);
}

fn escape_some(text: &str, is_special: impl Fn(u8) -> bool, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(&is_special) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut letters = special.chars();
        out.push_str(match letters.next() {
            Some('&') => "&amp;",
            Some('<') => "&lt;",
            Some('>') => "&gt;",
            _ => "&quot;",
        });
        rest = letters.as_str();
    }
    out.push_str(rest);
}
